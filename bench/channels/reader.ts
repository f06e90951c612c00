import type { ChannelStore } from '../../src/core/channel/store.ts';
import { identityId } from '../../src/core/identity/id.ts';
import type { ValidIdentity } from '../../src/core/identity/path.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import type { Signer } from '../../src/core/ports.ts';
import type { Channel, RosterView, SignedRoster } from '../../src/core/roster/roster.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { CHANNEL_TUNING, type ChannelContext } from '../../src/roles/channel/channel-context.ts';
import { ChannelReader } from '../../src/roles/channel/channel-reader.ts';
import type { ChannelDelivery } from '../../src/roles/channel/stream-delivery.ts';
import { CERTIFICATE_BYTES } from '../handshake-parts.ts';

/** The name of the benches' one channel. */
export const CHANNEL = 'plant';

/** Somebody as the handshake shows it; a certificate of the usual length. */
export function identityOf(name: string, { publicKey }: Pick<Signer, 'publicKey'>): ValidIdentity {
  const id = identityId(nodeCrypto, publicKey);
  return { id, publicKey, name, trust: 'pin', authority: null, certificates: [nodeCrypto.random(CERTIFICATE_BYTES)] };
}

/** A roster of these members, all of whom write and read in the one channel unless `more` says less. */
export function rosterOf(
  members: readonly Pick<ValidIdentity, 'id' | 'name'>[],
  more: Partial<Channel> = {},
): RosterView {
  const names = members.map(({ name }) => name);
  const channel: Channel = {
    ...{ name: CHANNEL, filters: ['plant/#'], writers: names, readers: names, confirmers: 'none' },
    ...{ rotateAfterMs: 86_400_000, rotateAfterFrames: 2 ** 20, history: false, batchMax: 1024, paddingBytes: 0 },
    ...{ evidence: 'none', erasers: [] },
    ...more,
  };
  const current: SignedRoster = {
    ...{ name: 'works', version: 1, previous: null, authorityKey: new Uint8Array(65), issuedAtS: 1_782_864_000 },
    ...{ expiresAtS: null, revocations: [], channels: [channel], bytes: new Uint8Array(0), hash: new Uint8Array(32) },
    members: members.map(({ id, name }) => ({ type: 'pin', id, name })),
    ...{ signerId: new Uint8Array(32), signature: new Uint8Array(64), toBeVerified: new Uint8Array(0) },
  };
  return { current, failure: null, hashOf: () => current.hash, onChange: () => () => {} };
}

/** What a member's channels share, at a broker that takes everything and hands out nothing. */
export function contextOf(own: ValidIdentity, signer: Signer, roster: RosterView): ChannelContext {
  return {
    ...{ crypto: nodeCrypto, hasher: new TreeHasher(nodeCrypto), clock: systemClock, ownId: own.id, signer, roster },
    ...{ verifierOf: nodeVerifier, qos: 1, sink: null, tuning: CHANNEL_TUNING },
    sessions: { all: () => [], current: () => undefined, open: () => Promise.reject(new Error('nobody is there')) },
    broker: { publish: async () => {} },
    onEvent: (event) => {
      if (event.type === 'refused') throw event.error;
    },
  };
}

/** A reader in the one channel. */
export function readerOf(
  context: ChannelContext,
  own: ValidIdentity,
  store: ChannelStore,
  deliver: (message: ChannelDelivery) => void,
): ChannelReader {
  return new ChannelReader(context, own, store, async (message) => deliver(message));
}
