import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgeFrame, RECIPIENT, SENDER, START } from '../../../test/support/frames.ts';
import { manualClock } from '../../../test/support/manual-clock.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { inboxTopic } from '../../core/inbox.ts';
import { memoryBroker } from '../memory-broker.ts';
import { InboxConnection } from './inbox-connection.ts';
import { Router } from './router.ts';

const inbox = inboxTopic({ to: RECIPIENT.id, lane: 'frames', from: SENDER.id });
const onTopic = (topic: string): Uint8Array => forgeFrame({ claims: (claims) => claims.set(2, topic) });
const control = forgeFrame();

/** The recipient's router with a session with the sender, and what comes of publications. */
function routing() {
  const strays: { code: ErrorCode; topic: string }[] = [];
  const router = new Router(RECIPIENT.id, ({ code }, topic) => void strays.push({ code, topic }));
  const connection = new InboxConnection({
    broker: memoryBroker().connect(),
    ownId: RECIPIENT.id,
    peerId: SENDER.id,
    qos: 1,
    clock: manualClock(),
    onClosed: () => router.remove(START.ratchetId),
  });
  router.add(START.ratchetId, { connection, peerId: SENDER.id });
  const taken: Uint8Array[] = [];
  void (async () => {
    for await (const unit of connection.receive()) taken.push(unit);
  })();
  const take = (topic: string, payload: Uint8Array) => router.take({ topic, payload, retained: false });
  return { router, connection, strays, taken, take };
}

test('a frame is taken on the topic that its label names, and in the own inbox', async () => {
  const { strays, taken, take } = routing();
  const about = onTopic('plant/a');
  await take('plant/a', about);
  await take(inbox, about);
  await take(inbox, control);
  // Whoever the topic names as its sender: that proves nothing.
  await take(inboxTopic({ to: RECIPIENT.id, lane: 'frames', from: RECIPIENT.id }), control);
  assert.deepEqual(taken, [about, about, control, control]);
  assert.deepEqual(strays, []);
});

test('a topic that a label spells in percent is the same topic', async () => {
  const { strays, taken, take } = routing();
  const about = onTopic('50%25 %3A x');
  await take('50% : x', about);
  assert.deepEqual([taken, strays], [[about], []]);
});

test('a frame that was signed for one topic is refused on any other', async () => {
  const { strays, taken, take } = routing();
  const elsewhere = inboxTopic({ to: SENDER.id, lane: 'frames', from: RECIPIENT.id });
  await take('plant/b', onTopic('plant/a'));
  await take('plant/A', onTopic('plant/a'));
  await take('plant/a', control);
  await take(elsewhere, control);
  await take(elsewhere, onTopic('plant/a'));
  assert.deepEqual(taken, []);
  assert.deepEqual(
    strays.map(({ code }) => code),
    Array.from({ length: 5 }, () => 'wrong-topic'),
  );
});

test('what belongs to no session is told of in the own inbox, and is somebody else’s on any other topic', async () => {
  const { router, strays, taken, take } = routing();
  const other = forgeFrame({ own: (own) => own.splice(3, 1, new Uint8Array(16).fill(9)) });
  const stranger = forgeFrame({
    own: (own) => own.splice(3, 1, new Uint8Array(16).fill(9)),
    header: (header) => header.set(4, new Uint8Array(32).fill(7)),
  });
  await take('plant/a', other);
  await take(inbox, other);
  await take(inbox, stranger);
  assert.deepEqual(strays, [
    { code: 'wrong-session', topic: inbox },
    { code: 'sender-unknown', topic: inbox },
  ]);
  router.remove(START.ratchetId);
  await take(inbox, control);
  assert.equal(strays.at(-1)?.code, 'sender-unknown');
  assert.deepEqual(taken, []);
});

test('what is no frame is told of in the own inbox only, and never throws', async () => {
  const { strays, taken, take } = routing();
  const noise = [new Uint8Array(0), Uint8Array.of(0x82), Uint8Array.of(0xff, 0xff), control.subarray(0, 40)];
  for (const payload of noise) await take('plant/a', payload);
  assert.deepEqual(strays, []);
  for (const payload of noise) await take(inbox, payload);
  assert.deepEqual([strays.length, taken.length], [noise.length, 0]);
  assert.ok(strays.every(({ code }) => code === 'malformed'));
});

test('a session that is closed gets nothing more, and holds nobody up', async () => {
  const { connection, strays, taken, take } = routing();
  await connection.close();
  await take(inbox, control);
  assert.deepEqual([taken.length, strays.length], [0, 1]);
});
