import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bytesToHex } from '../../src/core/bytes.ts';
import { openLedgerReader, openLedgerStore } from '../../src/node/sqlite-ledger.ts';
import { member, testNotary, Writer } from '../support/ledger.ts';
import { verdict } from '../support/ledger-file.ts';

const child = fileURLToPath(new URL('../support/ledger-child.ts', import.meta.url));

/** Runs a notary until it has acknowledged `count` labels and kills it in the middle of its work. */
async function killedAfter(path: string, ratchet: number, count: number): Promise<string[]> {
  const notary = spawn(process.execPath, [child, path, String(ratchet)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const acknowledged: string[] = [];
  for await (const line of createInterface({ input: notary.stdout })) {
    acknowledged.push(line);
    if (acknowledged.length === count) notary.kill('SIGKILL');
  }
  // The last line may be cut by the kill.
  return acknowledged.slice(0, count);
}

test('C10 a notary killed at work has every acknowledged entry, and goes on', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sealwire-ledger-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'ledger.db');
  const acknowledged: string[] = [];
  for (const [ratchet, count] of [
    [1, 3],
    [2, 40],
    [3, 21],
  ] as const) {
    acknowledged.push(...(await killedAfter(path, ratchet, count)));
  }
  const alice = await member('alice', 1);
  await using store = openLedgerStore(path);
  await using notary = await testNotary(store, [alice]);
  await using reader = openLedgerReader(path);
  for (const line of acknowledged) {
    const [index, hex] = line.split(' ');
    const [entry] = await reader.entries(Number(index), 1);
    assert.equal(entry && bytesToHex(entry.bytes), hex);
  }
  await notary.submit(await new Writer(alice, 4).label());
  assert.equal(await verdict(path, 'full'), 'valid');
});
