import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../../test/support/manual-clock.ts';
import { turn } from '../../../test/support/turns.ts';
import { pattern, refusal, take } from '../../../test/support/units.ts';
import { inboxTopic } from '../../core/inbox.ts';
import { FRAME_BYTES_MAX } from '../../core/limits.ts';
import type { Qos } from '../../core/ports.ts';
import { memoryBroker, type Published } from '../memory-broker.ts';
import { InboxConnection } from './inbox-connection.ts';

const ownId = new Uint8Array(32).fill(1);
const peerId = new Uint8Array(32).fill(2);
const inbox = inboxTopic({ to: peerId, lane: 'frames', from: ownId });

function connection(qos: Qos = 1) {
  const published: Published[] = [];
  const broker = memoryBroker({ intercept: (one) => void published.push(one) });
  let closed = 0;
  const clock = manualClock();
  const onClosed = () => void closed++;
  const made = new InboxConnection({ broker: broker.connect(), ownId, peerId, qos, clock, onClosed });
  return { made, clock, published, closedTimes: () => closed };
}

for (const [qos, inboxQos] of [
  [0, 1],
  [1, 1],
  [2, 2],
] as const) {
  test(`at quality of service ${qos} topics get that, and the inbox ${inboxQos}`, async () => {
    const { made, published } = connection(qos);
    await made.send(pattern(10, 1), 'plant/a');
    await made.send(pattern(10, 2));
    assert.deepEqual(
      published.map(({ topic, payload, qos: asked, retain }) => [topic, payload, asked, retain]),
      [
        ['plant/a', pattern(10, 1), qos, false],
        [inbox, pattern(10, 2), inboxQos, false],
      ],
    );
  });
}

test('what is delivered is received in order, and counts as taken when the next one is asked for', async () => {
  const { made } = connection();
  const delivered = [1, 2, 3].map(async (n) => {
    await made.deliver(pattern(5, n));
    return n;
  });
  const units = made.receive();
  const { value: first } = await units.next();
  assert.deepEqual(first, pattern(5, 1));
  await turn();
  let taken = 0;
  void delivered[0]?.then(() => taken++);
  await turn();
  assert.equal(taken, 0, 'the first is still being looked at');
  await units.next();
  await delivered[0];
  await units.return?.();
  await delivered[1];
  assert.deepEqual(await take(made, 1), [pattern(5, 3)]);
  await delivered[2];
});

test('closing gives back what nobody took, ends reading, and is told once', async () => {
  const { made, closedTimes } = connection();
  const reading = made.receive();
  const waiting = [made.deliver(pattern(5, 1)), made.deliver(pattern(5, 2))];
  await Promise.all([made.close(), made.close(), made[Symbol.asyncDispose]()]);
  await Promise.all(waiting);
  await made.deliver(pattern(5, 3));
  assert.equal((await reading.next()).done, true);
  assert.equal(closedTimes(), 1);
  assert.equal(await refusal(made.send(pattern(5, 4))), 'session-closed');
});

test('a unit that is empty or too large is refused, without harm', async () => {
  const { made, published } = connection();
  assert.equal(await refusal(made.send(new Uint8Array(0))), 'malformed');
  assert.equal(await refusal(made.send(new Uint8Array(FRAME_BYTES_MAX + 1), 'plant/a')), 'too-large');
  await made.send(pattern(FRAME_BYTES_MAX, 1), 'plant/a');
  assert.equal(published.length, 1);
});

test('a session that takes nothing holds the line up for a second, and loses what comes until it takes again', async () => {
  const { made, clock } = connection();
  const stuck = made.deliver(pattern(5, 1));
  clock.advance(1000);
  await stuck;
  await made.deliver(pattern(5, 2));
  const units = made.receive();
  assert.deepEqual((await units.next()).value, pattern(5, 1));
  const next = units.next();
  await turn();
  const delivered = made.deliver(pattern(5, 3));
  assert.deepEqual((await next).value, pattern(5, 3));
  void units.next();
  await delivered;
  await made.close();
  assert.equal(clock.pending, 0);
});

test('each unit has its own second, whatever came shortly before it', async () => {
  const { made, clock } = connection();
  const units = made.receive();
  const first = made.deliver(pattern(5, 1));
  assert.deepEqual((await units.next()).value, pattern(5, 1));
  const asking = units.next();
  await first;
  clock.advance(900);
  let released = false;
  const stuck = made.deliver(pattern(5, 2)).then(() => {
    released = true;
  });
  assert.deepEqual((await asking).value, pattern(5, 2));
  clock.advance(999);
  await turn();
  assert.equal(released, false);
  clock.advance(1);
  await stuck;
  await made.close();
});
