import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSealwireError } from '../../src/core/errors.ts';
import { TUNING } from '../../src/core/limits.ts';
import { assertSame, honestHandshake } from '../support/inbox-attacks.ts';
import { enter, InboxNet } from '../support/inbox-net.ts';

const timeout = 60_000;

/** What becomes of one unit: how late its copies arrive, and whether it is lost. */
const fateOfUnit = fc.record({
  // 60 of 100.
  isLost: fc.nat(99).map((n) => n < 60),
  delaysMs: fc.array(fc.nat(3_000), { minLength: 1, maxLength: 3 }),
});

/** Lets each unit meet the next of `fates`; a faultless way afterwards. */
function subject(net: InboxNet, fates: readonly { readonly isLost: boolean; readonly delaysMs: readonly number[] }[]) {
  const left = [...fates];
  net.fate = (parcel) => {
    const next = left.shift();
    if (!next) return [parcel];
    return next.isLost ? [] : next.delaysMs.map((delayMs) => ({ ...parcel, delayMs }));
  };
}

test('whatever is lost, doubled, swapped and delayed: one session or a clear error, in time', { timeout }, async () => {
  const ends = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(fateOfUnit, { maxLength: 30 }), fc.nat(), async (fates, seed) => {
      const net = new InboxNet();
      const [alice, bob] = [await enter(net, 'alice', { seed }), await enter(net, 'bob', { seed })];
      subject(net, fates);
      const begin = net.clock.now();
      const [near] = await net.elapse(Promise.allSettled([alice.handshakes.initiate(bob.id, 'bob')]));
      assert.ok(net.clock.now() - begin <= TUNING.handshakeTimeoutMs);
      assert.ok(near);
      const end = near.status === 'fulfilled' ? 'session' : near.reason.code;
      ends.set(end, (ends.get(end) ?? 0) + 1);
      assert.ok(['session', 'peer-offline', 'handshake-timeout'].includes(end), end);
      // Latecomers change nothing.
      await net.wait(4_000);
      assert.ok(bob.sessions.length <= 1, `${bob.sessions.length} sessions of one attempt`);
      if (near.status === 'fulfilled') assertSame(near.value, bob.sessions[0]);
      if (end === 'peer-offline') assert.deepEqual(bob.sessions, []);
      await honestHandshake({ net, alice, bob });
    }),
    { seed: 2026, numRuns: 120 },
  );
  assert.ok((ends.get('session') ?? 0) >= 40, JSON.stringify([...ends]));
});

test('faults that stop in time are got over', { timeout }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fateOfUnit, { minLength: 30, maxLength: 30 }), fc.nat(), async (fates, seed) => {
      const net = new InboxNet();
      const [alice, bob] = [await enter(net, 'alice', { seed }), await enter(net, 'bob', { seed })];
      subject(net, fates);
      net.clock.after(4_500, () => subject(net, []));
      assertSame(await net.elapse(alice.handshakes.initiate(bob.id, 'bob')), bob.sessions[0]);
      assert.equal(bob.sessions.length, 1);
    }),
    { seed: 2027, numRuns: 60 },
  );
});

test('both begin over a bad line: each attempt is one session or a clear error', { timeout }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fateOfUnit, { maxLength: 40 }), fc.nat(), async (fates, seed) => {
      const net = new InboxNet();
      const [alice, bob] = [await enter(net, 'alice', { seed }), await enter(net, 'bob', { seed })];
      subject(net, fates);
      const both = [alice.handshakes.initiate(bob.id, 'bob'), bob.handshakes.initiate(alice.id, 'alice')];
      const [there, back] = await net.elapse(Promise.allSettled(both));
      await net.wait(4_000);
      for (const [near, far] of [
        [there, bob.sessions],
        [back, alice.sessions],
      ] as const) {
        assert.ok(far.length <= 1);
        if (near?.status === 'fulfilled') assertSame(near.value, far[0]);
        else
          assert.ok(isSealwireError(near?.reason) && ['peer-offline', 'handshake-timeout'].includes(near.reason.code));
      }
    }),
    { seed: 2028, numRuns: 60 },
  );
});
