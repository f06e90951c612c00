import type { BrokerConnection, Clock, Qos } from '../../src/core/ports.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { Bus } from '../../src/roles/bus/bus.ts';
import { Peer } from '../../src/roles/peer.ts';
import { NOW_MS } from '../../test/support/identities.ts';
import { type Member, member } from '../../test/support/ledger.ts';
import { MemoryChannels } from '../../test/support/memory-channels.ts';
import { rosterOf } from './reader.ts';

/** Readers that the writer of `grant-cpu-ms` has, numbered from 1 on. */
export const READERS = 224;
const WRITER_NUMBER = 254;

/** What the writer's thread tells the one that has broker and readers. */
export type ToFleet =
  | { readonly type: 'publish'; readonly topic: string; readonly payload: Uint8Array; readonly qos: Qos }
  | { readonly type: 'subscribe'; readonly id: number; readonly filter: string; readonly qos: Qos }
  | { readonly type: 'join'; readonly reader: number }
  | { readonly type: 'leave' };

/** What it is told. */
export type FromFleet =
  | { readonly type: 'publication'; readonly id: number; readonly topic: string; readonly payload: Uint8Array }
  | { readonly type: 'subscribed'; readonly id: number }
  | { readonly type: 'joined'; readonly reader: number }
  | { readonly type: 'left' };

// Certificates of members are of that time.
const started = Date.now();
const clock: Clock = { ...systemClock, now: () => NOW_MS + Date.now() - started };

async function membersOf(): Promise<(Member & { readonly name: string })[]> {
  const numbers = [WRITER_NUMBER, ...Array.from({ length: READERS }, (_, i) => i + 1)];
  return Promise.all(
    numbers.map(async (number) => ({ ...(await member(nameOf(number), number)), name: nameOf(number) })),
  );
}

function nameOf(number: number): string {
  return number === WRITER_NUMBER ? 'writer' : `reader-${number}`;
}

const members = membersOf();

/** The writer or a reader at its broker, taking part in the one channel. */
export async function join(who: number | 'writer', broker: BrokerConnection): Promise<Bus> {
  const all = await members;
  const name = who === 'writer' ? who : nameOf(who);
  const identity = all.find((one) => one.name === name);
  if (!identity) throw new Error(`nobody is ${name}`);
  const roster = rosterOf(all, { writers: ['writer'], readers: all.map((one) => one.name).slice(1) });
  const { id, certificates, signer } = identity;
  const own = { id, name, publicKey: signer.publicKey, trust: 'pin' as const, authority: null, certificates };
  const peer = new Peer({ identity, anchors: () => all, crypto: nodeCrypto, clock, verifierOf: nodeVerifier });
  return Bus.open({ peer, broker, qos: 1, channels: { roster, store: new MemoryChannels(), own } });
}
