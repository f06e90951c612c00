import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../../../test/support/directory.ts';
import { manualClock } from '../../../test/support/manual-clock.ts';
import { turn, until } from '../../../test/support/turns.ts';
import { SealwireError } from '../../core/errors.ts';
import { TUNING } from '../../core/limits.ts';
import { SqlitePeer } from '../../node/sqlite-peer.ts';
import { GroupCommit } from './group-commit.ts';
import { type InboxEvent, type InboxMessage, MessageInbox, type StoredArrival } from './message-inbox.ts';

const ALICE = new Uint8Array(32).fill(1);
const STREAM = new Uint8Array(8).fill(2);

function arrival(n: number, more: { stream?: Uint8Array; expiresAtS?: number } = {}): StoredArrival {
  const { stream = STREAM, expiresAtS = null } = more;
  const payload = new TextEncoder().encode(`message ${n}`);
  return { message: { stream, n, timeMs: 1000 + n, contentType: 'text/plain', payload }, topic: 'a', expiresAtS };
}

/** An inbox over a real file that can be opened anew, and what it hands out. */
async function inboxFor(t: TestContext, unacknowledgedMax = 100) {
  const path = join(await temporaryDirectory(t), 'peer.db');
  const clock = manualClock();
  const came: InboxMessage[] = [];
  const events: InboxEvent[] = [];
  let failure: 'lost' | 'kept' | undefined;
  let close = (): void => {};
  const open = (): MessageInbox => {
    close();
    came.length = 0;
    const store = new SqlitePeer(path);
    close = () => store.close();
    const transaction = <T>(action: () => T): T => {
      if (failure === 'lost') throw new SealwireError('file-unwritable', 'The disk is full.');
      const result = store.transaction(action);
      if (failure === 'kept') throw new SealwireError('file-unwritable', 'Nobody knows.');
      return result;
    };
    const inbox = new MessageInbox({
      ...{ store, clock },
      commits: new GroupCommit({ transaction }, clock),
      tuning: { ...TUNING, unacknowledgedMax },
      deliver: (message) => void came.push(message),
    });
    inbox.start();
    return inbox;
  };
  t.after(() => close());
  const source = { senderId: ALICE, senderName: 'alice', onEvent: (event: InboxEvent) => void events.push(event) };
  const summary = (): string[] =>
    came.map(({ n, late, redelivered }) => `${n}${late ? ' late' : ''}${redelivered ? ' again' : ''}`);
  const fail = (how?: 'lost' | 'kept'): void => {
    failure = how;
  };
  return { clock, came, events, open, source, summary, fail };
}

test('out of order, doubled, over a restart: handed out once and in order, what was held too', async (t) => {
  const { open, source, summary, came } = await inboxFor(t);
  const inbox = open();
  await inbox.take(source, [arrival(1), arrival(0), arrival(1)]);
  await inbox.take(source, [arrival(3), arrival(0)]);
  assert.deepEqual(summary(), ['0', '1']);
  await Promise.all(came.map((message) => message.ack()));
  inbox.stop();
  const again = open();
  await again.take(source, [arrival(3), arrival(1), arrival(2)]);
  assert.deepEqual(summary(), ['2', '3']);
  const [{ senderName, topic, timeMs, contentType, payload } = assert.fail()] = came;
  assert.deepEqual([senderName, topic, timeMs, contentType], ['alice', 'a', 1002, 'text/plain']);
  assert.equal(new TextDecoder().decode(payload), 'message 2');
});

for (const how of ['lost', 'kept'] as const) {
  test(`a write that fails and is ${how}: not confirmed, and when it comes again it is handed out once`, async (t) => {
    const { open, source, summary, fail } = await inboxFor(t);
    const inbox = open();
    await inbox.take(source, [arrival(0)]);
    fail(how);
    const results = await Promise.allSettled([inbox.take(source, [arrival(1)]), inbox.take(source, [arrival(2)])]);
    assert.ok(results.every(({ status }) => status === 'rejected'));
    fail();
    await inbox.take(source, [arrival(1), arrival(2), arrival(3)]);
    inbox.stop();
    const before = summary();
    open();
    assert.deepEqual(before, ['0', '1', '2', '3']);
    assert.deepEqual(summary(), ['0 again', '1 again', '2 again', '3 again']);
  });
}

test('what never comes is reported after its time, over a restart too, and is late when it does', async (t) => {
  const { open, source, summary, events, clock } = await inboxFor(t);
  open().stop();
  const inbox = open();
  await inbox.take(source, [arrival(2)]);
  inbox.stop();
  const again = open();
  await again.take(source, [arrival(3)]);
  clock.advance(TUNING.gapWaitMs);
  await until(() => summary().length === 2);
  assert.deepEqual(events, [{ type: 'gap', gap: { first: 0, last: 1 } }]);
  await again.take(source, [arrival(1)]);
  assert.deepEqual(summary(), ['2', '3', '1 late']);
});

test('what expired is told and not handed out', async (t) => {
  const { open, source, summary, events } = await inboxFor(t);
  const inbox = open();
  await inbox.take(source, [arrival(0, { expiresAtS: 1 }), arrival(1)]);
  assert.deepEqual([summary(), events], [['1'], [{ type: 'expired', n: 0 }]]);
});

test('whoever acknowledges nothing holds the line back, until it does or leaves', async (t) => {
  const { open, source, came } = await inboxFor(t, 2);
  const inbox = open();
  await inbox.take(source, [arrival(0), arrival(1)]);
  let isRoom = false;
  const room = inbox.room().then(() => {
    isRoom = true;
  });
  for (let turns = 0; turns < 5; turns++) await turn();
  assert.equal(isRoom, false);
  await came[0]?.ack();
  await room;
  await inbox.take(source, [arrival(2)]);
  const leaving = inbox.room();
  inbox.unbound();
  await leaving;
});

test('N25: streams that never begin hold no more together than one may; honest ones are handed out', async (t) => {
  const { open, source, events, came } = await inboxFor(t);
  const inbox = open();
  const bob = { ...source, senderId: new Uint8Array(32).fill(9), senderName: 'bob' };
  await inbox.take(bob, [arrival(1)]);
  for (let i = 0; i < 200; i++) {
    const stream = new Uint8Array(8).fill(7);
    new DataView(stream.buffer).setUint32(0, i);
    await inbox.take(source, [arrival(1, { stream })]);
  }
  await until(() => came.length > 130);
  const gaps = events.filter(({ type }) => type === 'gap').length;
  assert.ok(gaps > 130 && gaps < 200, `${gaps} of 200 lost patience`);
  // Who floods loses patience, and nobody else.
  assert.ok(came.every(({ senderName }) => senderName === 'alice'));
  await inbox.take(bob, [arrival(0)]);
  assert.deepEqual(
    came.filter(({ senderName }) => senderName === 'bob').map(({ n, late }) => [n, late]),
    [
      [0, false],
      [1, false],
    ],
  );
});

test('an acknowledgement that could not be written can be tried again', async (t) => {
  const { open, source, came, fail, summary } = await inboxFor(t);
  const inbox = open();
  await inbox.take(source, [arrival(0), arrival(1)]);
  fail('lost');
  await assert.rejects(came[0]?.ack() ?? assert.fail(), { code: 'file-unwritable' });
  fail();
  await came[0]?.ack();
  inbox.stop();
  open();
  assert.deepEqual(summary(), ['1 again']);
});
