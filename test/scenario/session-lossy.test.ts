import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSealwireError } from '../../src/core/errors.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { SessionEvent } from '../../src/roles/session-events.ts';
import { hear, hearAll, numbered, say, sayAll } from '../support/messages.ts';
import { type FrameTamper, type Pair, sessionPair } from '../support/session-pair.ts';

const timeout = 60_000;
const lossy = { batchMax: 1, resendMs: 1000 };

const count = (events: readonly SessionEvent[], type: SessionEvent['type']): number =>
  events.filter((event) => event.type === type).length;

/** Closes both ends; a last confirmation that is lost may keep the one who has everything waiting. */
async function closeBoth({ alice, bob, elapse }: Pair): Promise<void> {
  await elapse(Promise.allSettled([alice.close(), bob.close()]));
}

/** Drops whatever `chosen` says, once each. */
function droppingOnce(chosen: (label: Label, way: 'out' | 'back') => boolean): FrameTamper {
  const dropped = new Set<string>();
  return (label, unit, way) => {
    const key = `${way} ${label.seq}`;
    if (!chosen(label, way) || dropped.has(key)) return [unit];
    dropped.add(key);
    return [];
  };
}

test('the last frame is lost, and no receipt shows a hole: it is sent again in time', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: lossy, tamper: droppingOnce(({ kind }) => kind === KIND.message) });
  const delivered = pair.alice.send(new Uint8Array([1]), { until: 'delivered' });
  assert.equal((await pair.elapse(hear(pair.bob, 1))).length, 1);
  await pair.elapse(delivered);
  assert.equal(count(pair.aliceEvents, 'repaired'), 1);
  await closeBoth(pair);
});

test('a delivery receipt is lost: the reader confirms again, and both ends close in order', { timeout }, async () => {
  const tamper = droppingOnce(({ kind, seq }, way) => kind === KIND.deliveryReceipt && way === 'back' && seq === 0);
  await using pair = await sessionPair({ tuning: lossy, tamper });
  const delivered = pair.alice.send(new Uint8Array([1]), { until: 'delivered' });
  await pair.elapse(delivered);
  const heard = pair.elapse(hearAll(pair.bob));
  await pair.elapse(Promise.all([pair.alice.close(), pair.bob.close()]));
  assert.equal((await heard).length, 1, 'delivered once, though it came twice');
  assert.ok(count(pair.bobEvents, 'refused') >= 1, 'what came again was refused as a replay');
});

test('every first frame of any kind is lost, both ways, and nothing is missing in the end', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: lossy, tamper: droppingOnce(() => true) });
  const sent = [sayAll(pair.alice, numbered(20)), sayAll(pair.bob, numbered(20))];
  const heard = Promise.all([hear(pair.bob, 20), hear(pair.alice, 20)]);
  await pair.elapse(Promise.all(sent));
  assert.deepEqual(await pair.elapse(heard), [numbered(20), numbered(20)]);
  await closeBoth(pair);
});

test('without repair a loss is told to the sender and a gap to the reader, and the rest comes', {
  timeout,
}, async () => {
  const tamper: FrameTamper = ({ seq, kind }, unit) => (kind === KIND.message && seq === 1 ? [] : [unit]);
  await using pair = await sessionPair({ tuning: { ...lossy, repair: false, gapWaitMs: 0 }, tamper });
  await say(pair.alice, 'first');
  const lost = pair.alice.send(new Uint8Array([1]), { until: 'delivered' });
  lost.catch(() => {});
  await say(pair.alice, 'third');
  assert.deepEqual(await pair.elapse(hear(pair.bob, 2)), ['first', 'third']);
  await pair.elapse(assert.rejects(lost, (error) => isSealwireError(error, 'gap')));
  assert.deepEqual([count(pair.aliceEvents, 'lost'), count(pair.bobEvents, 'gap')], [1, 1]);
  assert.equal(count(pair.aliceEvents, 'repaired'), 0);
  await pair.elapse(Promise.all([pair.alice.close(), pair.bob.close()]));
});

test('a peer that is never heard again ends the session with peer-offline', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { ...lossy, unconfirmedMaxMs: 10_000 }, tamper: () => [] });
  const delivered = pair.alice.send(new Uint8Array([1]), { until: 'delivered' });
  await pair.elapse(assert.rejects(delivered, (error) => isSealwireError(error, 'peer-offline')));
  await pair.elapse(pair.alice.over);
  await assert.rejects(pair.alice.send(new Uint8Array([1])), (error) => isSealwireError(error, 'peer-offline'));
});

test('resending backs off: a silent minute costs a handful of copies', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { ...lossy, unconfirmedMaxMs: 60_000 }, tamper: () => [] });
  await say(pair.alice, 'hello');
  await pair.elapse(pair.alice.over);
  const copies = pair.middle.seen.filter(({ way }) => way === 'out').length;
  assert.ok(copies >= 5 && copies <= 16, `${copies}`);
});

test('whatever a carrier drops, doubles and swaps for a while, all comes once and in order', { timeout }, async () => {
  const fate = fc.record({ drop: fc.boolean(), double: fc.boolean(), swap: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(fate, { maxLength: 60 }), async (fates) => {
      const left = [...fates];
      const kept = new Map<string, Uint8Array>();
      const tamper: FrameTamper = (_, unit, way) => {
        const next = left.shift();
        const before = kept.get(way);
        kept.delete(way);
        const rest = before ? [before] : [];
        if (next?.drop) return rest;
        if (next?.swap && !before) {
          kept.set(way, unit);
          return [];
        }
        return next?.double ? [unit, ...rest, unit] : [unit, ...rest];
      };
      await using pair = await sessionPair({ tuning: { ...lossy, windowFramesMax: 8 }, tamper });
      const heard = Promise.all([hear(pair.bob, 30), hear(pair.alice, 10)]);
      await pair.elapse(Promise.all([sayAll(pair.alice, numbered(30)), sayAll(pair.bob, numbered(10))]));
      assert.deepEqual(await pair.elapse(heard), [numbered(30), numbered(10)]);
      await closeBoth(pair);
    }),
    { seed: 3, numRuns: 40 },
  );
});

test('without repair, losses that lie far apart end nothing', { timeout }, async () => {
  const tamper: FrameTamper = ({ kind }, unit) => (kind === KIND.message ? [] : [unit]);
  const tuning = { ...lossy, repair: false, gapWaitMs: 0, unconfirmedMaxMs: 10_000 };
  await using pair = await sessionPair({ tuning, tamper });
  for (const expected of [1, 2]) {
    await say(pair.alice, 'lost');
    pair.clock.advance(5000);
    assert.equal(count(pair.aliceEvents, 'lost'), expected);
    pair.clock.advance(20_000);
  }
  assert.equal(pair.alice.closing, false);
});
