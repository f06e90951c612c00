import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalBytes } from '../../src/core/bytes.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { Published } from '../../src/roles/memory-broker.ts';
import { isInbox, labelOf, overhear, Square, sentence, tell, type Visitor } from '../support/bus.ts';
import { flipped } from '../support/forged-frame.ts';
import { numbered } from '../support/messages.ts';

const timeout = 120_000;

/** Alice and Bob, each subscribed to what the other one publishes. */
async function two(square: Square): Promise<{ readonly alice: Visitor; readonly bob: Visitor }> {
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await Promise.all([alice.bus.subscribe('to/alice'), bob.bus.subscribe('to/bob'), bob.bus.subscribe('valve')]);
  return { alice, bob };
}

/** Tells them one after the other, each again until a session took it, as applications do. */
async function persist(from: Visitor, to: string, topic: string, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    for (let sent = false; !sent; ) {
      sent = await tell(from, to, topic, text).then(
        () => true,
        (error: unknown) => {
          // Nobody was spoken to: what a handshake fails with where its messages are forged.
          if (isSealwireError(error)) return false;
          throw error;
        },
      );
    }
  }
}

/** Honest traffic goes on, both ways, without anybody being restarted. */
async function assertHonest(square: Square, alice: Visitor, bob: Visitor): Promise<void> {
  square.broker.tamper();
  await square.elapse(
    Promise.all([
      tell(alice, 'bob', 'to/bob', 'still here', { until: 'delivered' }),
      tell(bob, 'alice', 'to/alice', 'still here', { until: 'delivered' }),
    ]),
  );
  assert.deepEqual(await square.elapse(Promise.all([overhear(alice, 1), overhear(bob, 1)])), [
    ['bob to/alice: still here'],
    ['alice to/bob: still here'],
  ]);
}

const codesOf = ({ events, refused }: Visitor): Set<string> =>
  new Set([
    ...events.flatMap((event) => (event.type === 'refused' ? [event.error.code] : [])),
    ...refused.map(({ code }) => code),
  ]);

const fate = fc.record({
  drop: fc.boolean(),
  double: fc.boolean(),
  swap: fc.boolean(),
  alter: fc.boolean(),
  delayMs: fc.constantFrom(0, 0, 0, 50, 700, 3000),
  topic: fc.constantFrom(null, null, null, 'valve', 'to/bob', 'to/alice'),
  replay: fc.option(fc.nat(1000)),
});

test('N20 N6: a broker that alters, drops, delays, doubles, reorders and re-topics: all comes once and in order', {
  timeout,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fate, { minLength: 5, maxLength: 200 }), async (fates) => {
      await using square = new Square();
      const { alice, bob } = await two(square);
      const left = [...fates];
      let kept: Published | undefined;
      square.broker.tamper((published, deliver) => {
        const next = left.shift();
        const before = kept;
        kept = undefined;
        const altered = next?.alter
          ? { ...published, payload: flipped(published.payload, left.length % published.payload.length) }
          : published;
        const moved = next?.topic ? { ...altered, topic: next.topic } : altered;
        if (next?.swap && !before) kept = moved;
        else if (next && next.delayMs > 0) square.clock.after(next.delayMs, () => deliver(moved));
        else if (!next?.drop) deliver(moved);
        if (next?.double) deliver(moved);
        if (before) deliver(before);
        const again = square.broker.seen[(next?.replay ?? -1) % square.broker.seen.length];
        if (again) void square.broker.replay(again);
      });
      const heard = Promise.all([overhear(bob, 30), overhear(alice, 10)]);
      await square.elapse(
        Promise.all([persist(alice, 'bob', 'to/bob', numbered(30)), persist(bob, 'alice', 'to/alice', numbered(10))]),
      );
      assert.deepEqual(await square.elapse(heard), [
        numbered(30).map((text) => `alice to/bob: ${text}`),
        numbered(10).map((text) => `bob to/alice: ${text}`),
      ]);
      await assertHonest(square, alice, bob);
      for (const text of ['message', 'still here']) {
        assert.ok(square.broker.seen.every(({ payload }) => !Buffer.from(payload).includes(text)));
      }
    }),
    { seed: 20, numRuns: 20, endOnFailure: true },
  );
});

test('N20: frames moved to other topics are refused there as `wrong-topic`, and come by the inbox in time', {
  timeout,
}, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  const others: Record<string, string> = { 'to/bob': 'valve', valve: 'to/bob' };
  square.broker.tamper((published, deliver) => {
    const other = others[published.topic];
    deliver(other === undefined ? published : { ...published, topic: other });
  });
  const heard = square.elapse(overhear(bob, 4));
  for (const text of ['1', '2']) {
    await square.elapse(tell(alice, 'bob', 'to/bob', text, { until: 'delivered' }));
    await square.elapse(tell(alice, 'bob', 'valve', text, { until: 'delivered' }));
  }
  assert.deepEqual(await heard, ['alice to/bob: 1', 'alice valve: 1', 'alice to/bob: 2', 'alice valve: 2']);
  assert.deepEqual([...codesOf(bob)], ['wrong-topic']);
  assert.ok(bob.refused.every(({ where }) => where in others));
  await assertHonest(square, alice, bob);
});

test('N20: everything that was ever seen, replayed on every topic and as retained, is delivered to nobody again', {
  timeout,
}, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  const texts = numbered(5);
  for (const text of texts) await square.elapse(tell(alice, 'bob', 'to/bob', text, { until: 'delivered' }));
  await square.elapse(tell(bob, 'alice', 'to/alice', 'understood', { until: 'delivered' }));
  await square.elapse(overhear(bob, 5));
  await square.elapse(overhear(alice, 1));
  const recorded = [...square.broker.seen];
  const topics = [...new Set(recorded.map(({ topic }) => topic)), 'valve'];
  const replayAll = async (): Promise<void> => {
    for (const { payload } of recorded) {
      for (const topic of topics) {
        await square.broker.publishRaw({ topic, payload });
        await square.broker.publishRaw({ topic, payload, retained: true });
      }
    }
  };
  await square.elapse(replayAll());
  await assertHonest(square, alice, bob);
  // Their own frames come back to them too, in sessions of which they have the other end.
  const expected = ['replayed', 'wrong-topic', 'sender-unknown', 'malformed', 'overloaded'];
  for (const code of codesOf(bob)) assert.ok(expected.includes(code), code);
  assert.ok(codesOf(bob).has('replayed') && codesOf(bob).has('wrong-topic') && codesOf(alice).has('replayed'));

  // And into the sessions of a later life.
  await square.elapse(Promise.all([alice.bus.close(), bob.bus.close()]));
  const [later, there] = [await square.enter('alice', {}, 'alice again'), await square.enter('bob', {}, 'bob again')];
  await Promise.all([later.bus.subscribe('to/alice'), there.bus.subscribe('to/bob')]);
  await square.elapse(tell(later, 'bob', 'to/bob', 'a later life', { until: 'delivered' }));
  await square.elapse(replayAll());
  assert.deepEqual(await overhear(there, 1), ['alice to/bob: a later life']);
  await assertHonest(square, later, there);
  assert.ok([...codesOf(there)].includes('wrong-session'));
});

test('N20: a broker that takes everything and delivers nothing is noticed; once it delivers, all goes on by itself', {
  timeout,
}, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  await square.elapse(tell(alice, 'bob', 'to/bob', 'before', { until: 'delivered' }));
  await square.elapse(tell(bob, 'alice', 'to/alice', 'before', { until: 'delivered' }));
  await square.elapse(Promise.all([overhear(alice, 1), overhear(bob, 1)]));

  // For less than two minutes: what was sent meanwhile arrives.
  square.broker.tamper(() => {});
  const meanwhile = [tell(alice, 'bob', 'to/bob', 'held'), tell(bob, 'alice', 'to/alice', 'held')];
  await square.elapse(Promise.all(meanwhile));
  await square.wait(60_000);
  assert.deepEqual([alice.lost, bob.lost], [[], []]);
  square.broker.tamper();
  assert.deepEqual(await square.elapse(Promise.all([overhear(alice, 1), overhear(bob, 1)])), [
    ['bob to/alice: held'],
    ['alice to/bob: held'],
  ]);

  // For longer: who sent is told that it may not have arrived, and the next message opens another session.
  square.broker.tamper(() => {});
  const startMs = square.nowMs;
  const doomed = [alice, bob].map((from, i) =>
    tell(from, ['bob', 'alice'][i] ?? '', ['to/bob', 'to/alice'][i] ?? '', 'doomed', { until: 'delivered' }),
  );
  const outcomes = await square.elapse(Promise.allSettled(doomed));
  assert.ok(outcomes.every((one) => one.status === 'rejected' && isSealwireError(one.reason, 'peer-offline')));
  assert.ok(square.nowMs - startMs < 160_000);
  await assertHonest(square, alice, bob);
});

test('N6: both begin at once and the first session is held back: what follows in the other one waits for it', {
  timeout,
}, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  let first: string | undefined;
  let held = 0;
  square.broker.tamper((published, deliver) => {
    const label = labelOf(published);
    if (label?.kind !== KIND.message) return deliver(published);
    first ??= `${published.from} ${label.ratchetId}`;
    // For five seconds nothing of the first session comes through, whatever is sent again.
    if (first !== `${published.from} ${label.ratchetId}` || square.nowMs > 6000) return deliver(published);
    held += 1;
  });
  const heard = Promise.all([overhear(alice, 20), overhear(bob, 20)]);
  await square.elapse(
    Promise.all([persist(alice, 'bob', 'to/bob', numbered(20)), persist(bob, 'alice', 'to/alice', numbered(20))]),
  );
  assert.deepEqual(await square.elapse(heard), [
    numbered(20).map((text) => `bob to/alice: ${text}`),
    numbered(20).map((text) => `alice to/bob: ${text}`),
  ]);
  assert.ok(held > 0);
  await assertHonest(square, alice, bob);
});

test('N20: after a blackout that only one side has noticed the other one does not talk to nobody for long', {
  timeout,
}, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  await square.elapse(tell(alice, 'bob', 'to/bob', 'before', { until: 'delivered' }));
  await square.elapse(overhear(bob, 1));
  square.broker.tamper(() => {});
  const doomed = tell(alice, 'bob', 'to/bob', 'doomed', { until: 'delivered' });
  await square.elapse(assert.rejects(doomed, (error) => isSealwireError(error, 'peer-offline')));
  square.broker.tamper();

  // Alice has given the session up, Bob knows nothing of it: what he says in it is lost, and he is told so.
  const startMs = square.nowMs;
  const lost = tell(bob, 'alice', 'to/alice', 'into the void', { until: 'delivered' });
  await square.elapse(assert.rejects(lost, (error) => isSealwireError(error, 'timeout')));
  assert.ok(square.nowMs - startMs < 12_000, `${square.nowMs - startMs}`);
  assert.deepEqual(
    bob.lost.map(({ code, peer }) => [code, peer]),
    [['timeout', 'alice']],
  );
  await assertHonest(square, alice, bob);
});

test('N20: a handshake whose last message is withheld leaves nobody with half a session', { timeout }, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  let handshakes = 0;
  square.broker.tamper((published, deliver) => {
    // message_2 of Bob comes through, message_4 never does, whatever is sent again.
    const isBobs = published.from === 'bob' && isInbox(published, 'handshake');
    if (!isBobs || published.payload.length > 200) deliver(published);
    else handshakes += 1;
  });
  const refused = tell(alice, 'bob', 'to/bob', 'x');
  await square.elapse(assert.rejects(refused, (error) => isSealwireError(error, 'handshake-timeout')));
  assert.ok(handshakes > 0);
  square.broker.tamper();
  // Bob believes in a session that Alice never had.
  const lost = tell(bob, 'alice', 'to/alice', 'into the void', { until: 'delivered' });
  await square.elapse(assert.rejects(lost, (error) => isSealwireError(error, 'timeout')));
  await assertHonest(square, alice, bob);
});

test('N6: what a broker brings of a session that was given up for another one is marked as late', {
  timeout,
}, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  await square.elapse(tell(alice, 'bob', 'to/bob', 'first', { until: 'delivered' }));
  await square.elapse(overhear(bob, 1));
  const ratchet = square.broker.seen.flatMap((published) => labelOf(published) ?? []).at(0)?.ratchetId;
  const held: Published[] = [];
  square.broker.tamper((published, deliver) => {
    const label = labelOf(published);
    const isHeld = published.from === 'alice' && label && ratchet && equalBytes(label.ratchetId, ratchet);
    if (isHeld) held.push(published);
    else deliver(published);
  });
  const given = tell(alice, 'bob', 'to/bob', 'given up', { until: 'delivered' });
  await square.elapse(assert.rejects(given, (error) => isSealwireError(error, 'timeout')));
  await square.elapse(tell(alice, 'bob', 'to/bob', 'second', { until: 'delivered' }));
  for (const published of held) await square.broker.replay(published);
  await square.elapse(tell(alice, 'bob', 'to/bob', 'third', { until: 'delivered' }));
  const messages = bob.bus[Symbol.asyncIterator]();
  const got: [string, boolean][] = [];
  while (got.length < 3) {
    const { value } = await messages.next();
    assert.ok(value);
    got.push([sentence(value), value.late]);
  }
  assert.deepEqual(got, [
    ['alice to/bob: second', false],
    ['alice to/bob: given up', true],
    ['alice to/bob: third', false],
  ]);
  await assertHonest(square, alice, bob);
});
