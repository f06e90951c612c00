import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { suite, test } from 'node:test';
import { bytesToHex } from '../../src/core/bytes.ts';
import { readCorpus } from './corpus.ts';
import { judge } from './judge.ts';
import type { OpenTarget } from './target.ts';
import { TARGETS } from './targets.ts';

const timeout = 120_000;

async function assertSound(target: OpenTarget, input: Uint8Array): Promise<string> {
  const verdict = await judge(target, input.slice());
  const isFailure = verdict.type === 'crash' || verdict.type === 'acceptance';
  assert.ok(!isFailure, isFailure ? `${verdict.type} of ${bytesToHex(input)}: ${verdict.error}` : '');
  return verdict.type;
}

suite('hostile input: what once reached something is refused or taken rightly', () => {
  for (const target of TARGETS) {
    test(target.name, { timeout }, async () => {
      const open = await target.open();
      const [first, ...more] = open.seeds;
      assert.ok(first);
      assert.equal(await assertSound(open, first), 'taken', 'the target takes what is genuine');
      const corpus = readCorpus(target.name);
      assert.ok(corpus.length > 0, 'npm run fuzz -- --grow');
      for (const input of [...more, ...corpus]) await assertSound(open, input);
    });
  }

  test('the corpus belongs to targets that there are', () => {
    const names = new Set(TARGETS.map(({ name }) => name));
    assert.equal(names.size, TARGETS.length);
    for (const file of readdirSync(new URL('corpus/', import.meta.url))) {
      assert.ok(names.has(file.replace(/\.hex$/, '')), file);
    }
  });
});
