import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { HELD_BOUNDS } from '../core/channel/store.ts';
import { isSealwireError } from '../core/errors.ts';
import { SqliteChannels } from './sqlite-channels.ts';
import { SqliteReceipts } from './sqlite-receipts.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const writerId = new Uint8Array(32).fill(1);
const ratchetId = new Uint8Array(16).fill(2);
const frame = (text: string) => ({ topic: 'plant/load', frame: Buffer.from(text) });
const at = (nowMs: number) => ({ now: () => nowMs });

test('channels last, and nobody else can read them', async (context) => {
  const directory = await temporaryDirectory(context);
  const path = join(directory, 'channels.db');
  const state = new Uint8Array(300).fill(3);
  {
    using channels = new SqliteChannels(path);
    channels.put([{ writerId, ratchetId, state }]);
    assert.ok(channels.hold(writerId, ratchetId, 5, frame('five')));
    for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  }
  using again = new SqliteChannels(path);
  assert.deepEqual(Buffer.from(again.ratchetsOf(writerId)[0]?.state ?? []), Buffer.from(state));
  assert.equal(again.release(writerId, ratchetId).length, 1);
});

test('what is held is counted right over restarts, and by two processes of one home', async (context) => {
  const path = join(await temporaryDirectory(context), 'channels.db');
  const { writerFramesMax } = HELD_BOUNDS;
  for (let seq = 0; seq < writerFramesMax; seq += 1024) {
    using one = new SqliteChannels(path);
    using other = new SqliteChannels(path);
    for (let i = 0; i < 512; i++) {
      assert.ok(one.hold(writerId, ratchetId, seq + i, frame('one')));
      assert.ok(other.hold(writerId, ratchetId, seq + 512 + i, frame('other')));
    }
  }
  using channels = new SqliteChannels(path);
  assert.equal(channels.hold(writerId, ratchetId, 2 ** 20, frame('too many')), false);
  assert.equal(channels.release(writerId, ratchetId).length, writerFramesMax);
  const file = new DatabaseSync(path);
  assert.deepEqual({ ...file.prepare('SELECT frames, bytes FROM held_all').get() }, { frames: 0, bytes: 0 });
  assert.equal(file.prepare('SELECT * FROM held_of').all().length, 0);
  file.close();
});

test('frames that are held for over a day are forgotten at the next opening; a clock may have been set back', async (context) => {
  const path = join(await temporaryDirectory(context), 'channels.db');
  const start = 1_782_864_000_000;
  {
    using channels = new SqliteChannels(path, at(start));
    assert.ok(channels.hold(writerId, ratchetId, 0, frame('old')));
  }
  {
    using channels = new SqliteChannels(path, at(start + DAY_MS));
    assert.ok(channels.hold(writerId, ratchetId, 1, frame('new')));
  }
  {
    using channels = new SqliteChannels(path, at(start + DAY_MS + 1));
    const held = channels.release(writerId, ratchetId);
    assert.deepEqual(
      held.map((one) => Buffer.from(one.frame).toString()),
      ['new'],
    );
    assert.ok(channels.hold(writerId, ratchetId, 2, frame('from the future')));
  }
  using channels = new SqliteChannels(path, at(0));
  assert.deepEqual(channels.release(writerId, ratchetId), []);
});

test('keys that are replaced, dropped or forgotten are in no byte of the file any more', async (context) => {
  const directory = await temporaryDirectory(context);
  const path = join(directory, 'channels.db');
  const secrets = ['first', 'second', 'third', 'fourth'].map((name) => Buffer.alloc(400, `the ${name} secret key `));
  {
    using channels = new SqliteChannels(path);
    const put = (id: number, state = Buffer.alloc(0)): void =>
      channels.put([{ writerId, ratchetId: new Uint8Array(16).fill(id), state }]);
    put(1, secrets[0]);
    put(2, secrets[1]);
    put(3, secrets[2]);
    channels.hold(writerId, ratchetId, 0, { topic: 't', frame: secrets[3] ?? Buffer.alloc(0) });
    put(1, Buffer.from('short'));
    channels.drop(writerId, new Uint8Array(16).fill(2));
    channels.forget(writerId);
  }
  const files = readdirSync(directory).map((name) => readFileSync(join(directory, name)));
  for (const secret of secrets) for (const file of files) assert.equal(file.includes(secret.subarray(0, 20)), false);
});

test('keys that were used up are on the disk for a second at most, while it is open too', async (context) => {
  const directory = await temporaryDirectory(context);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  using channels = new SqliteChannels(join(directory, 'channels.db'));
  const keyAt = (n: number): Buffer => createHash('sha256').update(`${n}`).digest();
  const step = (n: number): void =>
    channels.put([{ writerId, ratchetId, state: Buffer.concat([Buffer.alloc(700 + (n % 5)), keyAt(n)]) }]);
  const onDisk = (): Buffer => Buffer.concat(readdirSync(directory).map((name) => readFileSync(join(directory, name))));
  for (let n = 0; n < 200; n++) step(n);
  assert.ok(onDisk().includes(keyAt(0)));
  context.mock.timers.tick(1000);
  for (let n = 0; n < 199; n++) assert.ok(!onDisk().includes(keyAt(n)), `${n}`);
  assert.ok(onDisk().includes(keyAt(199)));
  step(200);
  context.mock.timers.tick(1000);
  assert.ok(!onDisk().includes(keyAt(199)));
});

test('a flood of frames without keys blocks the way for a day, not for good', async (context) => {
  const path = join(await temporaryDirectory(context), 'channels.db');
  let nowMs = 1_782_864_000_000;
  using channels = new SqliteChannels(path, { now: () => nowMs });
  for (let seq = 0; seq < HELD_BOUNDS.writerFramesMax; seq++) channels.hold(writerId, ratchetId, seq, frame('forged'));
  const honest = new Uint8Array(16).fill(9);
  nowMs += DAY_MS;
  assert.ok(!channels.hold(writerId, honest, 0, frame('honest')));
  nowMs += 60_000;
  assert.ok(channels.hold(writerId, honest, 0, frame('honest')));
  assert.deepEqual(channels.release(writerId, ratchetId), []);
});

test('what is no file of channels, and one from the future, is refused and stays as it is', async (context) => {
  const directory = await temporaryDirectory(context);
  const receipts = join(directory, 'receipts.db');
  new SqliteReceipts(receipts).close();
  assert.throws(
    () => new SqliteChannels(receipts),
    (error) => isSealwireError(error, 'file-unreadable') && error.hint !== undefined,
  );
  new SqliteReceipts(receipts).close();
  const newer = join(directory, 'newer.db');
  new SqliteChannels(newer).close();
  const file = new DatabaseSync(newer);
  file.exec('PRAGMA user_version = 2');
  file.close();
  assert.throws(
    () => new SqliteChannels(newer),
    (error) => isSealwireError(error, 'unsupported'),
  );
});

test('what cannot be written says so and changes nothing', async (context) => {
  const path = join(await temporaryDirectory(context), 'channels.db');
  using channels = new SqliteChannels(path);
  const other = new DatabaseSync(path);
  other.exec(`CREATE TRIGGER no_room BEFORE INSERT ON ratchet WHEN NEW.id = x'${'09'.repeat(16)}'
    BEGIN SELECT RAISE(ABORT, 'no room'); END`);
  other.close();
  const state = Buffer.from('x');
  const states = [ratchetId, new Uint8Array(16).fill(9)].map((id) => ({ writerId, ratchetId: id, state }));
  assert.throws(
    () => channels.put(states),
    (error) => isSealwireError(error, 'file-unwritable') && error.hint !== undefined,
  );
  assert.deepEqual(channels.ratchetsOf(writerId), []);
  channels.put(states.slice(0, 1));
  assert.equal(channels.ratchetsOf(writerId).length, 1);
});
