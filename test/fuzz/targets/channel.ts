import { decodeGrant, encodeGrant, type Grant } from '../../../src/core/channel/grant.ts';
import { encodeMessage, joinBody } from '../../../src/core/frame/body.ts';
import { encodeLabelHeader } from '../../../src/core/frame/label.ts';
import { draftFrame, type LabelPlan } from '../../../src/core/frame/seal.ts';
import type { ValidIdentity } from '../../../src/core/identity/path.ts';
import { KIND } from '../../../src/core/kinds.ts';
import { TreeHasher } from '../../../src/core/ledger/merkle.ts';
import { SendingRatchet } from '../../../src/core/ratchet/sending.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { CHANNEL_TUNING, type ChannelContext } from '../../../src/roles/channel/channel-context.ts';
import { ChannelReader } from '../../../src/roles/channel/channel-reader.ts';
import { RosterKeeper } from '../../../src/roles/roster-keeper.ts';
import type { Session } from '../../../src/roles/session.ts';
import { channelOf } from '../../support/channels.ts';
import { START } from '../../support/frames.ts';
import { NOW_MS } from '../../support/identities.ts';
import { StillClock } from '../../support/ledger.ts';
import { MemoryChannels } from '../../support/memory-channels.ts';
import { MemoryRosters, versionsOf } from '../../support/rosters.ts';
import { joinParts, partsIn } from '../mutate/cbor.ts';
import { onlyGenuine, type Target } from '../target.ts';
import { fixedRandom, sealed } from './frames.ts';
import { authority, type Someone, someone } from './people.ts';

const NOTHING = new Uint8Array(0);
const TOPIC = 'plant/temperature';
const STREAM = new Uint8Array(8).fill(0x57);
const MESSAGE = encodeMessage({ stream: STREAM, n: 0, timeMs: NOW_MS, contentType: 0, payload: Uint8Array.of(1, 2) });
const GRANT = { channel: 'plant', ...START, stream: STREAM, n: 0 };

function identityOf({ id, name, signer, certificates }: Someone): ValidIdentity {
  return { id, name, publicKey: signer.publicKey, trust: 'pin', authority: null, certificates };
}

/** Alice writes, bob reads, as a roster says. */
async function scene() {
  const [root, alice, bob] = [await authority(), await someone('alice', 11), await someone('bob', 12)];
  const members = [alice, bob].map(({ name, id }) => ({ type: 'pin', name, id }) as const);
  const [first] = await versionsOf(root, [{ members, channels: [channelOf({ readers: ['bob'] })] }]);
  const store = new MemoryRosters();
  if (first) store.kept.set(1, first.bytes);
  const shared = { crypto: nodeCrypto, verifierOf: nodeVerifier };
  const roster = await RosterKeeper.open({ ...shared, name: 'works', authorityId: root.id, store });
  const plan: LabelPlan = {
    ...{ kind: KIND.message, senderId: alice.id, rosterName: 'works', topic: TOPIC, expiresAtS: null },
    ...{ issuedAtS: NOW_MS / 1000, channel: 'plant', head: null },
    roster: { version: 1, hash: first?.hash.subarray(0, 16) ?? NOTHING },
  };
  const crypto = fixedRandom();
  const sending = new SendingRatchet(crypto, START);
  const frames: Uint8Array[] = [];
  for (const content of [joinBody([MESSAGE]), joinBody([MESSAGE], 30)]) {
    const draft = draftFrame(crypto, sending, plan, content);
    frames.push(draft.finish(await alice.signer.sign(draft.toBeSigned)).bytes);
  }
  return { alice, bob, roster, plan, frames };
}

type Scene = Awaited<ReturnType<typeof scene>>;

/** A reader that has no keys yet, and what becomes of what it is given. */
function readerIn({ bob, roster }: Scene) {
  const outcome = { delivered: 0, refusal: undefined as unknown };
  const unused = (): never => {
    throw new Error('a reader alone opens no session');
  };
  const context: ChannelContext = {
    ...{ crypto: nodeCrypto, hasher: new TreeHasher(nodeCrypto), clock: new StillClock(), ownId: bob.id },
    ...{ signer: bob.signer, verifierOf: nodeVerifier, roster, qos: 1, sink: null, tuning: CHANNEL_TUNING },
    sessions: { current: () => undefined, all: () => [], open: unused },
    broker: { publish: async () => {} },
    onEvent: (event) => {
      if (event.type === 'refused') outcome.refusal = event.error;
    },
  };
  const reader = new ChannelReader(context, identityOf(bob), new MemoryChannels(), async () => {
    outcome.delivered += 1;
  });
  return { reader, outcome };
}

function sessionWith(someone: Someone): Session {
  return { peer: identityOf(someone), sendControl: async () => {} } as unknown as Session;
}

async function read(here: Scene, frame: Uint8Array, grant: Grant = GRANT): Promise<number> {
  const { reader, outcome } = readerIn(here);
  await reader.onGrant(sessionWith(here.alice), grant);
  await reader.take({ topic: TOPIC, payload: frame, retained: false }, false);
  if (outcome.refusal !== undefined) throw outcome.refusal;
  return outcome.delivered;
}

/** A channel’s reader, from outside and from one of its writers. */
export const CHANNEL: readonly Target[] = [
  {
    name: 'channel-frame',
    mutator: 'cbor',
    weight: 2,
    async open() {
      const here = await scene();
      const check = onlyGenuine(here.frames);
      return {
        seeds: here.frames,
        async judge(input) {
          if ((await read(here, input)) > 0) check(input);
        },
      };
    },
  },
  {
    name: 'channel-frame-of-member',
    mutator: 'parts',
    weight: 2,
    async open() {
      const here = await scene();
      const header = (seq: number): Uint8Array =>
        encodeLabelHeader({ ...here.plan, seq, ratchetId: START.ratchetId, tokenId: new Uint8Array(16).fill(seq) });
      return {
        seeds: [joinParts([header(0), joinBody([MESSAGE])]), joinParts([header(7), joinBody([MESSAGE, MESSAGE], 9)])],
        async judge(input) {
          const [first = NOTHING, content = NOTHING] = partsIn(input) ?? [];
          await read(here, sealed(here.alice, first, content));
        },
      };
    },
  },
  {
    name: 'grant-of-member',
    mutator: 'cbor',
    weight: 2,
    async open() {
      const here = await scene();
      const [frame = NOTHING] = here.frames;
      return {
        seeds: [encodeGrant(GRANT), encodeGrant({ ...GRANT, seq: 2 ** 40, n: 2 ** 50 })],
        judge: async (input) => void (await read(here, frame, decodeGrant(input))),
      };
    },
  },
];
