import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { isSealwireError } from '../core/errors.ts';
import { SqliteChannels } from './sqlite-channels.ts';

const writerId = new Uint8Array(32).fill(1);
const ratchetId = new Uint8Array(16).fill(2);
/** As a ratchet's state would: 32 bytes that are not seen twice. */
const keyAt = (n: number): Buffer => createHash('sha256').update(`${n}`).digest();
const stateAt = (n: number) => ({
  writerId,
  ratchetId,
  state: new Uint8Array([...new Uint8Array(700 + (n % 5)), ...keyAt(n)]),
});

async function fileIn(context: TestContext): Promise<{ readonly directory: string; readonly path: string }> {
  const directory = await temporaryDirectory(context);
  return { directory, path: join(directory, 'channels.db') };
}

/** Everything that the directory's files hold. */
function contentOf(directory: string): Buffer {
  return Buffer.concat(readdirSync(directory).map((name) => readFileSync(join(directory, name))));
}

test('nobody else can read what is known of channels', async (context) => {
  const { directory, path } = await fileIn(context);
  using channels = new SqliteChannels(path);
  channels.put([stateAt(0)]);
  assert.ok(existsSync(`${path}-wal`));
  for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
});

test('keys that were used up are on the disk for a second at most', async (context) => {
  const { directory, path } = await fileIn(context);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  using channels = new SqliteChannels(path);
  const frame = new Uint8Array([...keyAt(1000), ...new Uint8Array(5000)]);
  channels.hold(writerId, ratchetId, 0, { topic: 'plant', frame, heldAtMs: 0 });
  const others = Array.from({ length: 20 }, (_, n) => ({ ...stateAt(500 + n), ratchetId: ratchetId.with(0, n + 3) }));
  channels.put(others);
  for (let n = 0; n < 200; n++) channels.put([stateAt(n)]);
  for (const other of others) channels.drop(other.writerId, other.ratchetId);
  channels.release(writerId, ratchetId);
  const keys = [...Array.from({ length: 199 }, (_, n) => n), 500, 519, 1000].map(keyAt);
  assert.ok(keys.some((key) => contentOf(directory).includes(key)));
  context.mock.timers.tick(1000);
  const content = contentOf(directory);
  assert.ok(!keys.some((key) => content.includes(key)));
  assert.ok(content.includes(keyAt(199)));
  // The next change is folded in as well, and so is what happened last.
  channels.put([stateAt(200)]);
  context.mock.timers.tick(1000);
  assert.ok(!contentOf(directory).includes(keyAt(199)));
  channels.put([stateAt(201)]);
  channels.close();
  assert.deepEqual(readdirSync(directory), ['channels.db']);
  assert.ok(!contentOf(directory).includes(keyAt(200)));
});

test('a file of something else is refused and stays as it is', async (context) => {
  const { path } = await fileIn(context);
  const other = new DatabaseSync(path);
  other.exec('CREATE TABLE theirs (a); PRAGMA user_version = 1');
  assert.throws(
    () => new SqliteChannels(path),
    (error) =>
      isSealwireError(error, 'file-unreadable') && error.hint !== undefined && /the channels/.test(error.message),
  );
  assert.equal(other.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'delete');
  other.exec('PRAGMA user_version = 99');
  assert.throws(
    () => new SqliteChannels(path),
    (error) => isSealwireError(error, 'unsupported'),
  );
  other.close();
});

test('of states that cannot all be kept none is', async (context) => {
  const { path } = await fileIn(context);
  using channels = new SqliteChannels(path);
  const other = new DatabaseSync(path);
  other.exec(`CREATE TRIGGER no_room BEFORE INSERT ON ratchet WHEN NEW.id = x'${'09'.repeat(16)}'
    BEGIN SELECT RAISE(ABORT, 'no room'); END`);
  other.close();
  const second = { ...stateAt(2), ratchetId: ratchetId.slice().fill(9) };
  assert.throws(
    () => channels.put([stateAt(1), second]),
    (error) => isSealwireError(error, 'file-unwritable') && error.hint !== undefined,
  );
  assert.deepEqual(channels.ratchetsOf(writerId), []);
  channels.put([stateAt(1)]);
  assert.equal(channels.ratchetsOf(writerId).length, 1);
});

test('a store whose file is closed says that it keeps and reads nothing', async (context) => {
  const { path } = await fileIn(context);
  const channels = new SqliteChannels(path);
  channels.close();
  channels.close();
  const isUnwritable = (error: unknown): boolean => isSealwireError(error, 'file-unwritable');
  assert.throws(() => channels.put([stateAt(1)]), isUnwritable);
  assert.throws(() => channels.release(writerId, ratchetId), isUnwritable);
  assert.throws(
    () => channels.ratchetsOf(writerId),
    (error) => isSealwireError(error, 'file-unreadable'),
  );
});
