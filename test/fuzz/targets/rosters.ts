import { decodeSign1, encodeSign1, sign1ToBeSigned } from '../../../src/core/cose.ts';
import type { ValidIdentity } from '../../../src/core/identity/path.ts';
import { memberOf, rosterAnchors } from '../../../src/core/roster/membership.ts';
import { channelOfTopic, mayRead, mayWrite } from '../../../src/core/roster/rights.ts';
import type { Channel, Roster, RosterMember, SignedRoster } from '../../../src/core/roster/roster.ts';
import { rosterDiff } from '../../../src/core/roster/roster-diff.ts';
import { decodeRoster, draftRoster } from '../../../src/core/roster/signed-roster.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { RosterKeeper } from '../../../src/roles/roster-keeper.ts';
import { channelOf } from '../../support/channels.ts';
import { NOW_MS } from '../../support/identities.ts';
import { MemoryRosters, versionsOf } from '../../support/rosters.ts';
import { joinParts, partsIn } from '../mutate/cbor.ts';
import { codec, onlyGenuine, sameBytes, type Target } from '../target.ts';
import { authority, type Someone, someone } from './people.ts';

const NOTHING = new Uint8Array(0);

/** Three versions: plain, with all that a roster may say, and signed over to another authority. */
async function scene() {
  const [root, alice, bob, next] = await Promise.all([
    authority(),
    someone('alice', 11),
    someone('bob', 12),
    someone('next', 13),
  ]);
  const members: RosterMember[] = [
    { type: 'pin', name: 'alice', id: alice.id },
    { type: 'pin', name: 'bob', id: bob.id },
    { type: 'issued', name: 'sensors', pattern: 'sensor-*', certificate: root.holder.certificate.der },
  ];
  const plain = channelOf({ readers: ['bob'] });
  const full: Channel = {
    ...channelOf({ name: 'Ströme', filters: ['a/+/b', 'a/#', 'c'], writers: ['alice', 'sensors'], readers: ['bob'] }),
    ...{ confirmers: ['bob'], history: true, batchMax: 1, paddingBytes: 64, evidence: 'keep', erasers: ['alice'] },
  };
  const revocations = [{ id: new Uint8Array(32).fill(3), timeS: NOW_MS / 1000, sinceIndex: 9 }];
  const versions = await versionsOf(root, [
    { members: members.slice(0, 2), channels: [plain] },
    { members, channels: [plain, full], revocations, expiresAtS: NOW_MS / 1000 + 1000 },
    { authorityKey: next.signer.publicKey, members, channels: [full] },
  ]);
  return { root, alice, versions };
}

type Scene = Awaited<ReturnType<typeof scene>>;

/** A keeper that has so many of the versions. */
async function keeperWith({ root, versions }: Scene, count: number): Promise<RosterKeeper> {
  const store = new MemoryRosters();
  for (const { version, bytes } of versions.slice(0, count)) store.kept.set(version, bytes);
  const shared = { crypto: nodeCrypto, verifierOf: nodeVerifier, name: 'works', authorityId: root.id };
  return await RosterKeeper.open({ ...shared, store });
}

const rosterAgain = (data: Uint8Array): Uint8Array => {
  const roster = decodeRoster(nodeCrypto, data);
  return draftRoster(roster, roster.signerId).finish(roster.signature);
};

/** Asks a roster all that anybody ever asks it. */
function consult(now: SignedRoster, before: Roster | null, { alice, root }: Scene): void {
  const identity: ValidIdentity = {
    ...{ id: alice.id, publicKey: alice.signer.publicKey, name: 'sensor-7', trust: 'authority' },
    ...{ authority: root.signer.publicKey, certificates: alice.certificates },
  };
  for (const topic of ['plant/temperature', 'a/x/b', '$SYS/a', '']) channelOfTopic(now, topic);
  if (before) rosterDiff(before, now);
  const member = memberOf(now, identity) ?? '';
  for (const channel of now.channels) [mayRead(channel, member), mayWrite(channel, member)];
  rosterAnchors(now);
}

function partsOf({ bytes }: SignedRoster): Uint8Array {
  const { protectedBytes, payload } = decodeSign1(bytes);
  return joinParts([protectedBytes, payload ?? NOTHING]);
}

function signedAnew({ fast }: Someone, input: Uint8Array): Uint8Array {
  const [protectedBytes = NOTHING, payload = NOTHING] = partsIn(input) ?? [];
  const signature = fast(sign1ToBeSigned(protectedBytes, payload));
  return encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature });
}

/** Rosters: their form, somebody's that is none of the authority's, and an authority's that is up to no good. */
export const ROSTERS: readonly Target[] = [
  codec({ name: 'roster', seeds: async () => (await scene()).versions.map(({ bytes }) => bytes), again: rosterAgain }),
  {
    name: 'roster-offered',
    mutator: 'cbor',
    weight: 1,
    async open() {
      const here = await scene();
      const seeds = here.versions.map(({ bytes }) => bytes);
      const check = onlyGenuine(seeds);
      return {
        seeds,
        async judge(input) {
          const keeper = await keeperWith(here, 1);
          if ((await keeper.offer(input)) === 'accepted') check(input);
        },
      };
    },
  },
  {
    name: 'roster-of-authority',
    mutator: 'parts',
    weight: 1,
    async open() {
      const here = await scene();
      return {
        seeds: here.versions.map(partsOf),
        async judge(input) {
          const keeper = await keeperWith(here, 1);
          const bytes = signedAnew(here.root, input);
          const before = keeper.current;
          if ((await keeper.offer(bytes)) !== 'accepted' || !keeper.current) return;
          sameBytes(rosterAgain(bytes), bytes);
          consult(keeper.current, before, here);
        },
      };
    },
  },
];
