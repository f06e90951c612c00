import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SealwireError } from '../core/errors.ts';
import { EXIT, EXIT_HELP, renderReport, reportOf } from './report.ts';

test('every exit code is told in --help, and nothing else is', () => {
  const told = [...EXIT_HELP.matchAll(/^ {2}(\d+) /gm)].map((match) => Number(match[1]));
  assert.deepEqual(
    // Those of a Node.js that is too old, which never gets here, and of an interrupt.
    told.filter((code) => code !== 69 && code !== 130),
    Object.values(EXIT),
  );
});

test('an error of ours keeps its code, sentence and hint', () => {
  const found = reportOf(new SealwireError('ledger-broken', 'Block 3 does not hold.', { hint: 'Restore it.' }));
  assert.deepEqual(found, {
    code: 'ledger-broken',
    message: 'Block 3 does not hold.',
    hint: 'Restore it.',
    exitCode: EXIT.refused,
  });
  assert.equal(renderReport(found, false), 'sealwire: Block 3 does not hold. [ledger-broken]\n  Restore it.\n');
});

test("a file's error names the file and what is wrong with it", () => {
  const thrown = (path: string): unknown => {
    try {
      return readFileSync(path);
    } catch (error) {
      return error;
    }
  };
  assert.equal(reportOf(thrown('/nowhere/at/all')).message, '/nowhere/at/all is missing (ENOENT).');
  assert.equal(reportOf(thrown('/nowhere/at/all')).exitCode, EXIT.local);
});

test('whatever else is thrown is one line, never a stack trace, and cannot steer the terminal', () => {
  for (const thrown of ['text', null, undefined, { a: 1 }, new Error('first\nsecond'), new Error('\u001b[2J')]) {
    const found = reportOf(thrown);
    assert.equal(found.code, 'internal');
    assert.equal(renderReport(found, false).split('\n').length, 3);
    assert.ok(!renderReport(found, false).includes('\u001b'));
  }
});
