import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { isSealwireError } from '../core/errors.ts';
import { openLedgerReader, openLedgerStore } from './sqlite-ledger.ts';
import { SqliteReceipts } from './sqlite-receipts.ts';

const label = (n: number): Uint8Array => Uint8Array.of(n);
const logged = (index: number) => ({ index, receipt: Uint8Array.of(9) });

test('receipts last, and nobody else can read them', async (context) => {
  const directory = await temporaryDirectory(context);
  const path = join(directory, 'receipts.db');
  using receipts = new SqliteReceipts(path);
  await receipts.keep(label(1), logged(7));
  for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  using again = new SqliteReceipts(path);
  assert.equal(again.find(label(1))?.index, 7);
});

// Holds the file's lock, says so, and gives it back a while after the test asks for it.
const HOLDER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { DatabaseSync } = require('node:sqlite');
  const database = new DatabaseSync(workerData);
  database.exec('BEGIN IMMEDIATE');
  parentPort.postMessage('held');
  parentPort.once('message', () => setTimeout(() => { database.exec('COMMIT'); database.close(); }, 50));
`;

test('two processes of one home take turns', async (context) => {
  const path = join(await temporaryDirectory(context), 'receipts.db');
  using receipts = new SqliteReceipts(path);
  const holder = new Worker(HOLDER, { eval: true, workerData: path });
  const gone = once(holder, 'exit');
  await once(holder, 'message');
  holder.postMessage('let go');
  await receipts.keep(label(1), logged(1));
  await gone;
  assert.equal(receipts.count(), 1);
});

test('what is no file of receipts is refused and stays as it is', async (context) => {
  const directory = await temporaryDirectory(context);
  const refused = (path: string): void =>
    assert.throws(
      () => new SqliteReceipts(path),
      (error) => isSealwireError(error, 'file-unreadable') && error.hint !== undefined,
    );
  for (const version of [0, 1]) {
    const path = join(directory, `other-${version}.db`);
    const other = new DatabaseSync(path);
    other.exec(`CREATE TABLE theirs (a); PRAGMA user_version = ${version}`);
    refused(path);
    assert.equal(other.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'], 1);
    assert.equal(other.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'delete');
    other.close();
  }
  writeFileSync(join(directory, 'text'), 'no database\n'.repeat(100));
  refused(join(directory, 'text'));
});

test('a pipe or a directory in place of a database is refused instead of waited for', async (context) => {
  const directory = await temporaryDirectory(context);
  const [pipe, folder] = [join(directory, 'pipe'), join(directory, 'folder')];
  mkdirSync(folder);
  if (process.platform !== 'win32') execFileSync('mkfifo', [pipe]);
  else mkdirSync(pipe);
  for (const path of [pipe, folder]) {
    for (const open of [openLedgerStore, openLedgerReader, (at: string) => new SqliteReceipts(at)]) {
      assert.throws(
        () => open(path),
        (error) => isSealwireError(error, 'file-unreadable') && /not a plain file/.test(error.message),
      );
    }
  }
});
