import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSealwireError } from '../../src/core/errors.ts';
import { KIND } from '../../src/core/kinds.ts';
import { isInbox, labelOf, overhear, overhearAll, Square, tell, tellAll } from '../support/bus.ts';
import { numbered } from '../support/messages.ts';
import { turn } from '../support/turns.ts';

const timeout = 60_000;

test('a message comes with its topic and its sender, and the answer goes back in the same session', {
  timeout,
}, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await bob.bus.subscribe('plant/+/load');
  await alice.bus.subscribe('plant/orders');
  assert.equal(alice.bus.remote, 'memory://broker');
  await square.elapse(tell(alice, 'bob', 'plant/7/load', '41 %', { until: 'delivered' }));
  assert.deepEqual(await overhear(bob, 1), ['alice plant/7/load: 41 %']);
  await square.elapse(tell(bob, 'alice', 'plant/orders', 'slower', { until: 'delivered' }));
  assert.deepEqual(await overhear(alice, 1), ['bob plant/orders: slower']);
  const beginnings = square.broker.seen.filter((published) => isInbox(published, 'handshake'));
  assert.equal(beginnings.length, 4, 'one handshake served both ways');
  assert.deepEqual([alice.refused, bob.refused], [[], []]);
});

test('topics keep one order among each other, and filters that overlap bring each message once', {
  timeout,
}, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  for (const filter of ['plant/#', 'plant/+', '#', 'plant/#']) await bob.bus.subscribe(filter);
  const heard = square.elapse(overhear(bob, 6));
  for (const text of ['1', '2', '3']) {
    await square.elapse(tell(alice, 'bob', 'plant/a', text));
    await square.elapse(tell(alice, 'bob', 'plant/b', text));
  }
  const expected = ['1', '2', '3'].flatMap((text) => [`alice plant/a: ${text}`, `alice plant/b: ${text}`]);
  assert.deepEqual(await heard, expected);
  await square.elapse(tell(alice, 'bob', 'plant/a', '4', { until: 'delivered' }));
  assert.deepEqual(await overhear(bob, 1), ['alice plant/a: 4']);
  const refused = bob.events.filter(({ type }) => type === 'refused');
  assert.deepEqual(refused, [], 'nothing came twice');
});

test('a topic that the reader has not subscribed to: the message finds its inbox in time', { timeout }, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await bob.bus.subscribe('plant/a');
  await square.elapse(tell(alice, 'bob', 'plant/b', 'over here', { until: 'delivered' }));
  assert.deepEqual(await overhear(bob, 1), ['alice plant/b: over here']);
  assert.deepEqual([bob.bus.isSubscribed('plant/a'), bob.bus.isSubscribed('plant/b')], [true, false]);
});

test('one peer serves many: each reader gets its own, from a session of its own', { timeout }, async () => {
  await using square = new Square();
  const [alice, bob, carol] = [await square.enter('alice'), await square.enter('bob'), await square.enter('carol')];
  for (const reader of [bob, carol]) await reader.bus.subscribe('plant/#');
  const all = ['bob', 'carol'].flatMap((to) =>
    numbered(5).map((text) => tell(alice, to, 'plant/a', `${text} for ${to}`, { until: 'delivered' })),
  );
  await square.elapse(Promise.all(all));
  assert.deepEqual(
    await overhear(bob, 5),
    numbered(5).map((text) => `alice plant/a: ${text} for bob`),
  );
  assert.deepEqual(
    await overhear(carol, 5),
    numbered(5).map((text) => `alice plant/a: ${text} for carol`),
  );
  // What is sealed for another one on the same topic is no trouble to anybody.
  assert.deepEqual([bob.refused, carol.refused], [[], []]);
  assert.deepEqual(
    [...bob.events, ...carol.events].filter(({ type }) => type === 'refused'),
    [],
  );
});

test('who publishes at once shares one handshake', { timeout }, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  await square.elapse(Promise.all(numbered(50).map((text) => tell(alice, 'bob', 't', text))));
  assert.deepEqual(
    await square.elapse(overhear(bob, 50)),
    numbered(50).map((text) => `alice t: ${text}`),
  );
  assert.equal(square.broker.seen.filter((published) => isInbox(published, 'handshake')).length, 4);
});

test('a topic or a filter that is none is refused at once', { timeout }, async () => {
  await using square = new Square();
  const alice = await square.enter('alice');
  for (const topic of ['plant/+', 'sealwire/1/x', '$SYS/x', '']) {
    await assert.rejects(tell(alice, 'bob', topic, 'x'), (error) => isSealwireError(error, 'topic-invalid'));
  }
  await assert.rejects(alice.bus.subscribe('plant/#/a'), (error) => isSealwireError(error, 'topic-invalid'));
  assert.deepEqual(square.broker.seen, []);
});

test('quality of service 0: a loss is told to the sender, a gap to the reader, and nothing is sent again', {
  timeout,
}, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice', { qos: 0 }), await square.enter('bob', { qos: 0 })];
  await bob.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'first'));
  let doomed = true;
  square.broker.tamper((published, deliver) => {
    if (doomed && published.topic === 't') doomed = false;
    else deliver(published);
  });
  const lost = tell(alice, 'bob', 't', 'lost', { until: 'delivered' });
  lost.catch(() => {});
  await square.elapse(square.broker.see(2, ({ topic }) => topic === 't'));
  await square.elapse(tell(alice, 'bob', 't', 'third', { until: 'delivered' }));
  assert.deepEqual(await overhear(bob, 2), ['alice t: first', 'alice t: third']);
  await square.elapse(assert.rejects(lost, (error) => isSealwireError(error, 'gap')));
  assert.deepEqual(
    alice.events.filter(({ type }) => type === 'lost' || type === 'repaired'),
    [{ type: 'lost', seq: 1 }],
  );
  assert.deepEqual(
    bob.events.filter(({ type }) => type === 'gap'),
    [{ type: 'gap', gap: { first: 1, last: 1 } }],
  );
  const qosOf = (kind: number): number[] =>
    square.broker.seen.filter((published) => labelOf(published)?.kind === kind).map(({ qos }) => qos);
  assert.deepEqual(qosOf(KIND.message), [0, 0, 0]);
  assert.ok(qosOf(KIND.deliveryReceipt).every((qos) => qos === 1));
});

test('quality of service 2 is asked for on the inbox too', { timeout }, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice', { qos: 2 }), await square.enter('bob', { qos: 2 })];
  await bob.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'x', { until: 'delivered' }));
  const frames = square.broker.seen.filter((published) => labelOf(published));
  assert.ok(frames.length >= 2 && frames.every(({ qos }) => qos === 2));
});

test('closing sends what is queued, ends sessions in order on both sides, and the iteration', { timeout }, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'message 0'));
  const rest = numbered(20)
    .slice(1)
    .map((text) => tell(alice, 'bob', 't', text));
  const heard = overhear(bob, 20);
  await turn();
  await square.elapse(alice.bus.close());
  await Promise.all(rest);
  assert.deepEqual(
    await heard,
    numbered(20).map((text) => `alice t: ${text}`),
  );
  assert.deepEqual(await overhearAll(alice), []);
  const ends = square.broker.seen.filter((published) => labelOf(published)?.kind === KIND.end);
  assert.deepEqual(new Set(ends.map(({ from }) => from)), new Set(['alice', 'bob']));
  assert.deepEqual([alice.lost, bob.lost], [[], []]);
  await assert.rejects(tell(alice, 'bob', 't', 'x'), (error) => isSealwireError(error, 'session-closed'));
  await assert.rejects(alice.bus.subscribe('t'), (error) => isSealwireError(error, 'session-closed'));
});

test('whoever has closed leaves no timers behind', { timeout }, async () => {
  const square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await square.elapse(Promise.all([tell(alice, 'bob', 't', 'x'), tell(bob, 'alice', 't', 'y')]));
  await square.elapse(Promise.all([overhear(bob, 1), overhear(alice, 1)]));
  await square.elapse(Promise.all([alice.bus.close(), bob.bus.close()]));
  assert.equal(square.clock.pending, 0);
});

test('a reader that is not there: `peer-offline` after one handshake’s time, or after as long as one waits', {
  timeout,
}, async () => {
  await using square = new Square();
  const alice = await square.enter('alice');
  const offline = (error: unknown): boolean => isSealwireError(error, 'peer-offline');
  await square.elapse(assert.rejects(tell(alice, 'bob', 't', 'x'), offline));
  assert.ok(square.nowMs >= 10_000 && square.nowMs < 10_500, `${square.nowMs}`);
  const startMs = square.nowMs;
  await square.elapse(assert.rejects(tell(alice, 'bob', 't', 'x', { waitMs: 25_000 }), offline));
  const waitedMs = square.nowMs - startMs;
  assert.ok(waitedMs >= 25_000 && waitedMs < 36_000, `${waitedMs}`);
});

test('a reader that comes late is waited for, and so are all who publish meanwhile', { timeout }, async () => {
  await using square = new Square();
  const alice = await square.enter('alice');
  const waitMs = Number.POSITIVE_INFINITY;
  const early = numbered(3).map((text) => tell(alice, 'bob', 't', text, { waitMs, until: 'delivered' }));
  await square.wait(47_000);
  const bob = await square.enter('bob');
  await bob.bus.subscribe('t');
  await square.elapse(Promise.all(early));
  assert.deepEqual(
    await overhear(bob, 3),
    numbered(3).map((text) => `alice t: ${text}`),
  );
});

test('a peer that vanishes: its session is given up and told, and the next message opens another', {
  timeout,
}, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'before', { until: 'delivered' }));
  await bob.vanish();
  const lost = tell(alice, 'bob', 't', 'into the void', { until: 'delivered' });
  await square.elapse(assert.rejects(lost, (error) => isSealwireError(error, 'peer-offline')));
  await square.elapse(Promise.resolve());
  assert.deepEqual(
    alice.lost.map(({ code, peer }) => [code, peer]),
    [['peer-offline', 'bob']],
  );
  const again = await square.enter('bob', {}, 'bob again');
  await again.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'after', { until: 'delivered' }));
  assert.deepEqual(await overhear(again, 1), ['alice t: after']);
});

test('a peer restarts and speaks first: answers go to it at once, and the dead session is dropped', {
  timeout,
}, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await alice.bus.subscribe('t');
  await square.elapse(tell(bob, 'alice', 't', 'I am here', { until: 'delivered' }));
  await bob.vanish();
  const again = await square.enter('bob', {}, 'bob again');
  await again.bus.subscribe('t');
  await square.elapse(tell(again, 'alice', 't', 'I am back', { until: 'delivered' }));
  await square.elapse(tell(alice, 'bob', 't', 'welcome', { until: 'delivered' }));
  assert.deepEqual(await overhear(again, 1), ['alice t: welcome']);
  assert.deepEqual(await overhear(alice, 2), ['bob t: I am here', 'bob t: I am back']);
  await square.wait(40_000);
  assert.deepEqual(
    alice.lost.map(({ peer }) => peer),
    ['bob'],
  );
  await square.elapse(tell(alice, 'bob', 't', 'still here', { until: 'delivered' }));
  assert.equal(again.lost.length, 0);
});

test('a reader is restarted while one publishes: a few seconds of messages are lost, and told to be', {
  timeout,
}, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'before', { until: 'delivered' }));
  await bob.vanish();
  const again = await square.enter('bob', {}, 'bob again');
  await again.bus.subscribe('t');
  const texts = numbered(60);
  const outcomes: PromiseSettledResult<unknown>[] = [];
  const telling = texts.map(async (text, i) => {
    await new Promise<void>((resolve) => void square.clock.after(i * 500, resolve));
    [outcomes[i]] = await Promise.allSettled([tell(alice, 'bob', 't', text, { until: 'delivered' })]);
  });
  await square.elapse(Promise.all(telling));
  const lost = outcomes.filter(({ status }) => status === 'rejected').length;
  assert.ok(lost > 0 && lost < 15, `${lost}`);
  // Those that were told to have arrived have, and nothing else.
  const arrived = texts.filter((_, i) => outcomes[i]?.status === 'fulfilled');
  assert.deepEqual(
    await overhear(again, arrived.length),
    arrived.map((text) => `alice t: ${text}`),
  );
});

test('a peer has said goodbye and is not all gone yet: what is published goes in another session', {
  timeout,
}, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'first', { until: 'delivered' }));
  // Alice's own end does not get through, so her side of the session stays open for a while.
  square.broker.tamper((published, deliver) => {
    if (published.from !== 'alice' || labelOf(published)?.kind !== KIND.end) deliver(published);
  });
  const closing = bob.bus.close();
  await square.elapse(square.broker.see(1, ({ from, ...end }) => from === 'alice' && labelOf(end)?.kind === KIND.end));
  const again = await square.enter('bob', {}, 'bob again');
  await again.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'second', { until: 'delivered' }));
  assert.deepEqual(await overhear(again, 1), ['alice t: second']);
  await square.elapse(closing);
});

test('handshake units that are lost, doubled and swapped open one session all the same', { timeout }, async () => {
  await using square = new Square();
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  let count = 0;
  square.broker.tamper((published, deliver) => {
    count += 1;
    if (count % 3 === 1) return;
    deliver(published);
    if (count % 3 === 2) deliver(published);
  });
  await square.elapse(tellAll(alice, 'bob', 't', numbered(10)));
  assert.deepEqual(
    await square.elapse(overhear(bob, 10)),
    numbered(10).map((text) => `alice t: ${text}`),
  );
});
