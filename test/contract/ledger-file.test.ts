import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, isSealwireError } from '../../src/core/errors.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { LedgerStore } from '../../src/core/ledger/store.ts';
import { openLedgerReader, openLedgerStore } from '../../src/node/sqlite-ledger.ts';

function fileIn(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sealwire-ledger-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'ledger.db');
}

function refused(code: ErrorCode, pattern: RegExp): (error: unknown) => boolean {
  return (error) => isSealwireError(error, code) && pattern.test(error.message);
}

async function filled(path: string, entries: number): Promise<void> {
  await using store = openLedgerStore(path);
  const filler = { kind: KIND.identity, position: null, confirms: null, leaf: new Uint8Array(32) };
  await store.append({
    expected: null,
    head: { height: 0, treeSize: entries, root: new Uint8Array(32) },
    protectedBytes: new Uint8Array(8),
    nodes: [],
    entries: Array.from({ length: entries }, () => ({ ...filler, bytes: new Uint8Array(400) })),
  });
}

test('a ledger file that is not there is missing, and reading makes none', (t) => {
  const path = fileIn(t);
  for (let i = 0; i < 2; i++) assert.throws(() => openLedgerReader(path), refused('ledger-missing', /no ledger at/));
});

test('a ledger file is for its owner only', async (t) => {
  const path = fileIn(t);
  await filled(path, 1);
  assert.equal(statSync(path).mode & 0o077, 0);
});

test('a file of something else is named as such', (t) => {
  const path = fileIn(t);
  writeFileSync(path, 'dear diary, '.repeat(100));
  assert.throws(() => openLedgerReader(path), refused('ledger-broken', /not a database/));
  assert.throws(() => openLedgerStore(path), refused('ledger-broken', /not a database/));
});

test('an empty file is no ledger to a reader', (t) => {
  const path = fileIn(t);
  writeFileSync(path, '');
  assert.throws(() => openLedgerReader(path), refused('ledger-broken', /is empty/));
});

test("another program's database is left alone", (t) => {
  const path = fileIn(t);
  const db = new DatabaseSync(path);
  db.exec('CREATE TABLE contacts (name TEXT)');
  db.close();
  assert.throws(() => openLedgerReader(path), refused('ledger-broken', /something else/));
  assert.throws(() => openLedgerStore(path), refused('ledger-broken', /something else/));
});

test('a ledger of a newer version is refused by name', async (t) => {
  const path = fileIn(t);
  await filled(path, 1);
  const db = new DatabaseSync(path);
  db.exec('PRAGMA user_version = 99');
  db.close();
  assert.throws(() => openLedgerReader(path), refused('unsupported', /format 99/));
  assert.throws(() => openLedgerStore(path), refused('unsupported', /format 99/));
});

test('a truncated file is damaged', async (t) => {
  const path = fileIn(t);
  await filled(path, 200);
  truncateSync(path, statSync(path).size / 2);
  await assert.rejects(
    async () => {
      await using reader = openLedgerReader(path);
      await reader.entries(0, 200);
    },
    refused('ledger-broken', /damaged/),
  );
});

test('a file without its tables is damaged', async (t) => {
  const path = fileIn(t);
  await filled(path, 1);
  const db = new DatabaseSync(path);
  db.exec('DROP TABLE entry');
  db.close();
  await using reader = openLedgerReader(path);
  assert.throws(() => reader.entries(0, 1), refused('ledger-broken', /no such table: entry/));
});

test('entries end before a missing one', async (t) => {
  const path = fileIn(t);
  await filled(path, 5);
  const db = new DatabaseSync(path);
  db.exec('DELETE FROM entry WHERE idx = 2');
  db.close();
  await using reader = openLedgerReader(path);
  assert.equal((await reader.entries(0, 5)).length, 2);
  assert.equal((await reader.entries(2, 5)).length, 0);
  assert.equal((await reader.nodes({ level: 0, first: 1, count: 3 })).length, 1);
});

test('a reader sees what a writer appends meanwhile, and cannot write', async (t) => {
  const path = fileIn(t);
  await filled(path, 2);
  await using reader = openLedgerReader(path);
  assert.equal((await reader.head())?.treeSize, 2);
  await using store = openLedgerStore(path);
  const next = {
    expected: await store.head(),
    head: { height: 1, treeSize: 3, root: new Uint8Array(32) },
    protectedBytes: new Uint8Array(8),
    nodes: [],
    entries: [
      { kind: KIND.identity, position: null, confirms: null, leaf: new Uint8Array(32), bytes: new Uint8Array(1) },
    ],
  };
  await store.append(next);
  assert.equal((await reader.head())?.treeSize, 3);
  assert.throws(() => (reader as LedgerStore).append(next), refused('file-unreadable', /may not be written/));
});

test('a directory that is not there is said by name', (t) => {
  const path = join(fileIn(t), 'deeper', 'ledger.db');
  assert.throws(() => openLedgerStore(path), /ENOENT/);
});
