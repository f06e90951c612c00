import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalBytes } from '../../src/core/bytes.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { identityId } from '../../src/core/identity/id.ts';
import type { SignedRoster } from '../../src/core/roster/roster.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { RosterKeeper } from '../../src/roles/roster-keeper.ts';
import { channelOf } from '../support/channels.ts';
import { flipped } from '../support/forged-frame.ts';
import { fixedSigner, NOW_MS } from '../support/identities.ts';
import { MemoryRosters, nextVersion, versionsOf } from '../support/rosters.ts';

const seed = 20260704;
const LENGTH = 5;

const personOf = (number: number) => {
  const signer = fixedSigner(number);
  return { signer, id: identityId(nodeCrypto, signer.publicKey) };
};
const [authority, successor, mallory] = [personOf(1), personOf(2), personOf(3)];
const members = [1, 2, 3].map((number) => ({ type: 'pin', name: `m${number}`, id: personOf(number).id }) as const);

/** A history that changes its authority half-way; one that leaves it after version 2; one of somebody else's. */
async function histories() {
  const [first, second, third] = await versionsOf(authority, [
    { members },
    { channels: [channelOf({ writers: ['m1'], readers: ['m2'] })] },
    { authorityKey: successor.signer.publicKey },
  ]);
  assert.ok(first && second && third);
  const fourth = await nextVersion(successor, third, { issuedAtS: NOW_MS / 1000 + 5 });
  const genuine = [first, second, third, fourth, await nextVersion(successor, fourth)];
  const forkThird = await nextVersion(authority, second, { members: members.slice(1), channels: [] });
  const forks = [forkThird, await nextVersion(authority, forkThird)];
  // The old authority's key goes on after it was given up, and a stranger's all the time.
  const strangers = [
    await nextVersion(authority, third),
    await nextVersion(mallory, null, { members }),
    await nextVersion(mallory, first),
    await nextVersion(mallory, fourth),
  ];
  return { genuine, forks, strangers };
}

const shown = fc.oneof(
  { weight: 8, arbitrary: fc.record({ from: fc.constant('genuine' as const), at: fc.nat(LENGTH - 1) }) },
  { weight: 1, arbitrary: fc.record({ from: fc.constant('forks' as const), at: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ from: fc.constant('strangers' as const), at: fc.nat(3) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      from: fc.constant('altered' as const),
      at: fc.nat(LENGTH - 1),
      byte: fc.nat(),
      bit: fc.nat(7),
    }),
  },
  { weight: 1, arbitrary: fc.record({ from: fc.constant('reopened' as const), at: fc.constant(0) }) },
);

test('a roster’s keeper: whatever is shown in whatever order, it goes forward only, over genuine versions, and a fork stops it', async () => {
  const { genuine, forks, strangers } = await histories();
  await fc.assert(
    fc.asyncProperty(fc.array(shown, { maxLength: 30 }), async (shows) => {
      const store = new MemoryRosters();
      const options = { crypto: nodeCrypto, verifierOf: nodeVerifier, store, name: 'works', authorityId: authority.id };
      let keeper = await RosterKeeper.open(options);
      let [version, hasStopped] = [0, false];
      // All that the authority has signed beside its history; what was handed to nobody forks nothing.
      const isForkShown = shows.some(({ from, at }) => from === 'forks' || (from === 'strangers' && at === 0));
      for (const show of shows) {
        if (show.from === 'reopened') {
          keeper = await RosterKeeper.open(options);
          assert.equal(keeper.failure !== null, hasStopped, 'what stopped it is kept');
          continue;
        }
        const bytes = bytesOf(show);
        const outcome = await keeper.offer(bytes).catch((error: unknown) => {
          if (!isSealwireError(error)) throw error;
          return error;
        });
        const now = keeper.current;
        assert.ok((now?.version ?? 0) >= version, 'never back');
        if (show.from === 'strangers') assert.notEqual(outcome, 'accepted');
        assert.ok(
          keeper.failure !== null || !(hasStopped || isSealwireError(outcome, 'roster-forked')),
          'stopped for good',
        );
        hasStopped = keeper.failure !== null;
        assert.ok(isForkShown || !hasStopped);
        version = now?.version ?? 0;
        assertOneHistory(keeper, version);
      }
      // The rest of the genuine history, in order: without a fork it is all taken, whatever was shown before.
      for (const { bytes } of genuine) await keeper.offer(bytes).catch(() => {});
      const isOnFork = forks.some(({ version: at, hash }) => isHash(keeper, at, hash));
      if (!isOnFork) assert.equal(keeper.current?.version, LENGTH);
    }),
    { seed, numRuns: 120 },
  );

  function bytesOf(show: {
    readonly from: string;
    readonly at: number;
    readonly byte?: number;
    readonly bit?: number;
  }) {
    const from = { genuine, forks, strangers }[show.from as 'genuine'] ?? genuine;
    const bytes = from[show.at]?.bytes ?? new Uint8Array(0);
    return show.from === 'altered' ? flipped(bytes, (show.byte ?? 0) % bytes.length, show.bit) : bytes;
  }

  /** Every version that is kept is of one of the two histories that the authority has signed, over the one before. */
  function assertOneHistory(keeper: RosterKeeper, version: number): void {
    const signed: readonly SignedRoster[] = [...genuine, ...forks];
    for (let at = 1; at <= version; at++) {
      const hash = keeper.hashOf(at);
      const known = signed.find((one) => one.version === at && hash !== null && equalBytes(one.hash, hash));
      assert.ok(known, `version ${at} is one that the authority has signed`);
      const before = keeper.hashOf(at - 1);
      assert.deepEqual(known.previous, at === 1 ? null : before);
    }
  }
});

function isHash(keeper: RosterKeeper, version: number, hash: Uint8Array): boolean {
  const kept = keeper.hashOf(version);
  return kept !== null && equalBytes(kept, hash);
}
