import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSealwireError } from '../../src/core/errors.ts';
import { receiveFrame } from '../../src/core/frame/open.ts';
import { KIND, type Kind } from '../../src/core/kinds.ts';
import { TUNING } from '../../src/core/limits.ts';
import { NOW_MS } from '../support/identities.ts';
import type { Middle, Way } from '../support/memory-middle.ts';
import { hear, hearAll, numbered, say, sayAll } from '../support/messages.ts';
import { type FrameTamper, sessionPair } from '../support/session-pair.ts';
import { standstill, turn, until } from '../support/turns.ts';

const timeout = 20_000;

function refusedAs(code: string): (error: unknown) => boolean {
  return (error) => isSealwireError(error) && error.code === code;
}

/** The kinds of the frames that went one way. */
function kinds({ seen }: Middle, direction: Way): Kind[] {
  return seen.flatMap(({ way, unit }) => {
    if (way !== direction) return [];
    try {
      return [receiveFrame(unit).label.kind];
    } catch {
      return [];
    }
  });
}

test('one end closes: the other ends too, both without waiting for any timer', { timeout }, async () => {
  await using pair = await sessionPair();
  const { alice, bob, clock } = pair;
  await say(alice, 'hello');
  await alice.close();
  assert.deepEqual(await hearAll(bob), ['hello']);
  await bob.close();
  await Promise.all([alice.over, bob.over]);
  assert.deepEqual(await hearAll(alice), []);
  assert.equal(clock.now(), NOW_MS);
  assert.equal(clock.pending, 0);
});

test('both ends close at once', { timeout }, async () => {
  await using pair = await sessionPair();
  const { alice, bob, clock, middle } = pair;
  await Promise.all([say(alice, 'from alice'), say(bob, 'from bob')]);
  await Promise.all([alice.close(), bob.close()]);
  assert.deepEqual([await hearAll(alice), await hearAll(bob)], [['from bob'], ['from alice']]);
  assert.equal(clock.pending, 0);
  assert.equal(kinds(middle, 'out').filter((kind) => kind === KIND.end).length, 1);
  assert.equal(kinds(middle, 'back').filter((kind) => kind === KIND.end).length, 1);
});

test('what was sent before close goes out before the end, awaited or not', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { sendQueueMessagesMax: 4, batchMax: 2 } });
  const { alice, bob, middle } = pair;
  const sending = Promise.all(numbered(30).map((text) => say(alice, text)));
  const closing = pair.elapse(alice.close());
  await assert.rejects(say(alice, 'too late'), refusedAs('session-closed'));
  assert.deepEqual(await hearAll(bob), numbered(30));
  await Promise.all([sending, closing]);
  const sent = kinds(middle, 'out').filter((kind) => kind !== KIND.deliveryReceipt);
  assert.equal(sent.indexOf(KIND.end), sent.length - 1);
});

test('what the other end had queued still goes out after it learns of the end', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { windowFramesMax: 1, batchMax: 1 } });
  const { alice, bob } = pair;
  const sending = Promise.all(numbered(10).map((text) => say(bob, text)));
  await pair.elapse(alice.close());
  assert.deepEqual(await hearAll(alice), numbered(10));
  await sending;
});

test('unread messages can still be read after the close', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { receiveQueueMessagesMax: 2, batchMax: 1 } });
  const { alice, bob } = pair;
  const sending = sayAll(alice, numbered(40));
  await sending;
  await pair.elapse(Promise.all([alice.close(), bob.close()]));
  assert.deepEqual(await hearAll(bob), numbered(40));
});

test('a peer that is silent: `timeout` after closeTimeoutMs, on both sides nothing is left', { timeout }, async () => {
  await using pair = await sessionPair({ tamper: () => [] });
  const { alice, clock } = pair;
  await say(alice, 'hello');
  let over = 0;
  const closing = alice.close().catch((error: unknown) => {
    over += 1;
    return error;
  });
  await standstill(() => over);
  clock.advance(TUNING.closeTimeoutMs - 1);
  await standstill(() => over);
  assert.equal(over, 0);
  clock.advance(1);
  assert.ok(refusedAs('timeout')(await closing));
  await assert.rejects(hearAll(alice), refusedAs('timeout'));
  await assert.rejects(say(alice, 'more'), refusedAs('session-closed'));
});

test('a connection that ends without a signed end is `stream-cut`, for reader, sender and who closes', {
  timeout,
}, async () => {
  await using pair = await sessionPair();
  const { alice, bob, middle } = pair;
  const waiting = assert.rejects(say(bob, 'hello', 'delivered'), refusedAs('stream-cut'));
  await say(alice, 'one');
  await hear(alice, 1);
  await middle.close();
  await Promise.all([alice.over, bob.over]);
  await waiting;
  const messages = bob[Symbol.asyncIterator]();
  assert.equal((await messages.next()).value?.n, 0);
  await assert.rejects(messages.next(), refusedAs('stream-cut'));
  await assert.rejects(messages.next(), refusedAs('stream-cut'));
  await assert.rejects(say(bob, 'more'), refusedAs('stream-cut'));
  await assert.rejects(bob.close(), refusedAs('stream-cut'));
  // Leaving the block does not tell once more what iteration has told.
  await bob[Symbol.asyncDispose]();
  assert.equal(pair.clock.pending, 0);
});

test('a cut with holes: what was held comes after its gaps, then `stream-cut`', { timeout }, async () => {
  const tamper: FrameTamper = ({ kind, seq }, unit) => (kind === KIND.message && seq % 2 === 0 ? [] : [unit]);
  await using pair = await sessionPair({ tuning: { batchMax: 1 }, tamper });
  const { alice, bob, middle } = pair;
  await sayAll(alice, numbered(6));
  await until(() => middle.seen.filter(({ way }) => way === 'out').length >= 8);
  await middle.close();
  await bob.over;
  const heard: string[] = [];
  await assert.rejects(async () => {
    for await (const { n } of bob) heard.push(`${n}`);
  }, refusedAs('stream-cut'));
  assert.deepEqual(heard, ['1', '3', '5']);
  const gaps = pair.bobEvents.flatMap((event) => (event.type === 'gap' ? [event.gap.first] : []));
  assert.deepEqual(gaps, [0, 2, 4]);
});

test('a cut is noticed while nobody reads', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { receiveQueueMessagesMax: 2, batchMax: 1 } });
  const { alice, bob, middle } = pair;
  await sayAll(alice, ['a']);
  await standstill(() => middle.seen.length);
  await middle.close();
  await bob.over;
  await assert.rejects(say(bob, 'x'), refusedAs('stream-cut'));
});

test('an end that is dropped is no end: the reader learns of the cut, the sender of the silence', {
  timeout,
}, async () => {
  const tamper: FrameTamper = ({ kind }, unit) => (kind === KIND.end ? [] : [unit]);
  await using pair = await sessionPair({ tamper });
  const { alice, bob } = pair;
  await say(alice, 'hello');
  await assert.rejects(pair.elapse(alice.close()), refusedAs('timeout'));
  await assert.rejects(hearAll(bob), refusedAs('stream-cut'));
});

test('the last messages dropped: the end names how many there were', { timeout }, async () => {
  const tamper: FrameTamper = ({ kind, seq }, unit, way) =>
    way === 'out' && kind === KIND.message && seq >= 2 ? [] : [unit];
  await using pair = await sessionPair({ tuning: { batchMax: 1, gapWaitMs: 1000 }, tamper });
  const { alice, bob } = pair;
  await sayAll(alice, numbered(4));
  await assert.rejects(pair.elapse(alice.close()), isSealwireError);
  assert.deepEqual(await hearAll(bob), numbered(2));
  const gaps = pair.bobEvents.flatMap((event) => (event.type === 'gap' ? [event.gap] : []));
  assert.deepEqual(gaps, [{ first: 2, last: 3 }]);
});

test('a message that comes after it was given up with the end is not confirmed as delivered', { timeout }, async () => {
  let kept: Uint8Array | undefined;
  const tamper: FrameTamper = ({ kind, seq }, unit, way) => {
    // Bob's end is lost, which keeps him waiting while Alice's is done.
    if (way === 'back') return kind === KIND.end ? [] : [unit];
    if (kind !== KIND.message || seq !== 1) return [unit];
    kept = unit;
    return [];
  };
  await using pair = await sessionPair({ tuning: { batchMax: 1, gapWaitMs: 100 }, tamper });
  const { alice, bob, clock } = pair;
  await say(alice, 'came');
  const delivered = assert.rejects(say(alice, 'lost', 'delivered'), refusedAs('timeout'));
  const closing = assert.rejects(alice.close(), refusedAs('timeout'));
  await until(() => kept !== undefined);
  await standstill(() => pair.middle.seen.length);
  clock.advance(100);
  await until(() => pair.bobEvents.some(({ type }) => type === 'gap'));
  assert.ok(kept);
  await pair.middle.inject('out', kept);
  await until(() => pair.bobEvents.some((event) => event.type === 'refused' && event.error.code === 'session-closed'));
  await pair.elapse(Promise.all([closing, delivered]));
  assert.deepEqual(await hearAll(bob), ['came']);
});

test('a closing frame that cannot be signed is told at once', { timeout }, async () => {
  let away = false;
  await using pair = await sessionPair({
    signer: (own) => ({
      publicKey: own.publicKey,
      sign: (toBeSigned) => {
        if (away) throw new Error('the key is away');
        return own.sign(toBeSigned);
      },
    }),
  });
  away = true;
  await assert.rejects(pair.alice.close(), refusedAs('internal'));
  assert.equal(pair.clock.now(), NOW_MS);
  await assert.rejects(hearAll(pair.bob), refusedAs('stream-cut'));
});

test('closing twice is closing once', { timeout }, async () => {
  await using pair = await sessionPair();
  const { alice } = pair;
  assert.equal(alice.close(), alice.close());
  await alice.close();
  await alice[Symbol.asyncDispose]();
  await turn();
  assert.equal(kinds(pair.middle, 'out').filter((kind) => kind === KIND.end).length, 1);
});
