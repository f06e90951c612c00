import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8ToBytes } from '../../src/core/bytes.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { SessionEvent } from '../../src/roles/session-events.ts';
import { NOW_MS } from '../support/identities.ts';
import { hear, hearAll, numbered, say, sayAll, textOf } from '../support/messages.ts';
import { type FrameTamper, sessionPair } from '../support/session-pair.ts';
import { standstill, until } from '../support/turns.ts';

const timeout = 20_000;
const oneEach = { batchMax: 1 };

const isMessage = ({ kind }: Label): boolean => kind === KIND.message;

/** Keeps the frames that `chosen` names from arriving the first `times` times that they are sent. */
function losing(chosen: (label: Label) => boolean, times = 1): FrameTamper {
  const lost = new Map<number, number>();
  return (label, unit, way) => {
    if (way !== 'out' || !chosen(label)) return [unit];
    const before = lost.get(label.seq) ?? 0;
    lost.set(label.seq, before + 1);
    return before < times ? [] : [unit];
  };
}

function ofType<Type extends SessionEvent['type']>(
  events: readonly SessionEvent[],
  type: Type,
): Extract<SessionEvent, { readonly type: Type }>[] {
  return events.filter((event): event is Extract<SessionEvent, { readonly type: Type }> => event.type === type);
}

test('a lost frame is shown by a receipt, sent again byte for byte, and comes in its order', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: oneEach, tamper: losing((label) => label.seq === 1) });
  const { alice, bob } = pair;
  await sayAll(alice, numbered(4));
  assert.deepEqual(await pair.elapse(hear(bob, 4)), numbered(4));
  assert.deepEqual(ofType(pair.aliceEvents, 'repaired'), [{ type: 'repaired', seq: 1 }]);
  assert.deepEqual(ofType(pair.bobEvents, 'gap'), []);
  const copies = pair.middle.seen.filter(({ way }) => way === 'out').map(({ unit }) => unit);
  const sentTwice = copies.filter((unit, at) => copies.findIndex((other) => Buffer.compare(other, unit) === 0) < at);
  assert.equal(sentTwice.length, 1);
  await pair.elapse(Promise.all([alice.close(), bob.close()]));
});

test('what never comes is a gap after gapWaitMs and not before; a latecomer is marked', { timeout }, async () => {
  let kept: Uint8Array | undefined;
  const tamper: FrameTamper = (label, unit, way) => {
    if (way !== 'out' || !isMessage(label) || label.seq !== 0) return [unit];
    kept = unit;
    return [];
  };
  await using pair = await sessionPair({ tuning: { ...oneEach, gapWaitMs: 1000 }, tamper });
  const { alice, bob, clock } = pair;
  const messages = bob[Symbol.asyncIterator]();
  let received = 0;
  const second = messages.next().finally(() => {
    received += 1;
  });
  await sayAll(alice, ['lost', 'held']);
  await standstill(() => received);
  clock.advance(999);
  await standstill(() => received);
  assert.equal(received, 0);
  assert.deepEqual(ofType(pair.bobEvents, 'gap'), []);
  clock.advance(1);
  const { value: held } = await second;
  assert.deepEqual([held && textOf(held), held?.n, held?.late], ['held', 1, false]);
  assert.deepEqual(ofType(pair.bobEvents, 'gap'), [{ type: 'gap', gap: { first: 0, last: 0 } }]);
  assert.ok(kept);
  await pair.middle.inject('out', kept);
  const { value: late } = await messages.next();
  assert.deepEqual([late && textOf(late), late?.n, late?.late], ['lost', 0, true]);
});

test('each gap has its own time, though another one is waited for already', { timeout }, async () => {
  const lost = losing((label) => isMessage(label) && (label.seq === 0 || label.seq === 2), Number.POSITIVE_INFINITY);
  await using pair = await sessionPair({ tuning: { ...oneEach, gapWaitMs: 1000 }, tamper: lost });
  const { alice, bob, clock } = pair;
  const gaps = (): number => ofType(pair.bobEvents, 'gap').length;
  await sayAll(alice, ['a', 'b']);
  await standstill(gaps);
  clock.advance(900);
  await sayAll(alice, ['c', 'd']);
  await standstill(gaps);
  clock.advance(100);
  await until(() => gaps() === 1);
  clock.advance(899);
  await standstill(gaps);
  assert.equal(gaps(), 1);
  clock.advance(1000);
  await until(() => gaps() === 2);
  assert.deepEqual(await hear(bob, 2), ['b', 'd']);
});

test('reordered frames come in order, and none waits longer than it has to', { timeout }, async () => {
  const held: Uint8Array[] = [];
  const tamper: FrameTamper = (label, unit, way) => {
    if (way !== 'out' || !isMessage(label)) return [unit];
    held.push(unit);
    return label.seq === 9 ? held.splice(0).reverse() : [];
  };
  await using pair = await sessionPair({ tuning: oneEach, tamper });
  await sayAll(pair.alice, numbered(10));
  assert.deepEqual(await hear(pair.bob, 10), numbered(10));
  assert.equal(pair.clock.now(), NOW_MS);
  await pair.elapse(pair.alice.close());
});

test('repeated frames are refused as replayed and delivered once', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: oneEach, tamper: (_label, unit) => [unit, unit] });
  await sayAll(pair.alice, numbered(3));
  assert.deepEqual(await hear(pair.bob, 3), numbered(3));
  await pair.elapse(pair.alice.close());
  assert.deepEqual(await hearAll(pair.bob), []);
  const codes = ofType(pair.bobEvents, 'refused').map(({ error }) => error.code);
  assert.deepEqual(codes.slice(0, 3), ['replayed', 'replayed', 'replayed']);
});

test('a message that comes after its expiry is dropped and told; the next one does not wait for it', {
  timeout,
}, async () => {
  const kept: Uint8Array[] = [];
  let hold = true;
  const tamper: FrameTamper = (label, unit, way) => {
    if (way !== 'out' || !hold || !isMessage(label)) return [unit];
    kept.push(unit);
    return [];
  };
  await using pair = await sessionPair({ tuning: oneEach, tamper });
  const { alice, bob, clock, middle } = pair;
  await alice.send(utf8ToBytes('for a second'), { expiresAtMs: NOW_MS + 1000 });
  await alice.send(utf8ToBytes('for an hour'), { expiresAtMs: NOW_MS + 3_600_000 });
  await say(alice, 'for ever');
  await until(() => kept.length === 3);
  hold = false;
  clock.advance(1000);
  for (const unit of kept) await middle.inject('out', unit);
  assert.deepEqual(await hear(bob, 2), ['for an hour', 'for ever']);
  assert.deepEqual(ofType(pair.bobEvents, 'expired'), [{ type: 'expired', n: 0 }]);
  assert.deepEqual(ofType(pair.bobEvents, 'gap'), []);
});

test('a message whose signature fails leaves a hole that the end declares void', { timeout }, async () => {
  let fails = false;
  await using pair = await sessionPair({
    tuning: { ...oneEach, gapWaitMs: 1000 },
    signer: (own) => ({
      publicKey: own.publicKey,
      sign: (toBeSigned) => {
        if (fails) throw new Error('the key is away');
        return own.sign(toBeSigned);
      },
    }),
  });
  const { alice, bob } = pair;
  await say(alice, 'before');
  fails = true;
  await assert.rejects(say(alice, 'lost'), /the key is away/);
  fails = false;
  await say(alice, 'after');
  // No waiting for the hole: the end says at once that nothing is to come.
  await Promise.all([alice.close(), bob.close()]);
  assert.deepEqual(await hearAll(bob), ['before', 'after']);
  assert.deepEqual(ofType(pair.bobEvents, 'gap'), [{ type: 'gap', gap: { first: 1, last: 1 } }]);
  assert.equal(pair.clock.now(), NOW_MS);
});

test('garbage, in a flood, is refused bit by bit and honest messages go on', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: oneEach });
  const { alice, bob, middle } = pair;
  await say(alice, 'first');
  const genuine = middle.seen.at(-1)?.unit;
  assert.ok(genuine);
  for (let i = 0; i < 2000; i++) {
    const garbage = i % 2 === 0 ? new Uint8Array(64).fill(i) : genuine.slice(0, 1 + (i % genuine.length));
    await middle.inject('out', garbage);
  }
  await say(alice, 'second');
  assert.deepEqual(await hear(bob, 2), ['first', 'second']);
  const refused = ofType(pair.bobEvents, 'refused');
  assert.equal(refused.length, 2000);
  assert.ok(refused.every(({ error }) => error.code === 'malformed' || error.code === 'replayed'));
  await pair.elapse(alice.close());
});
