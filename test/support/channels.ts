import type { ChannelStore } from '../../src/core/channel/store.ts';
import type { SealwireError } from '../../src/core/errors.ts';
import type { Channel, PinnedMember, Revocation, RosterView, SignedRoster } from '../../src/core/roster/roster.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { ChannelPublishOptions } from '../../src/roles/bus/bus.ts';
import type { ChannelEvent, ChannelTuning } from '../../src/roles/channel/channel-context.ts';
import type { RosterSource } from '../../src/roles/channel/roster-exchange.ts';
import type { Sent } from '../../src/roles/send-queue.ts';
import type { Square, Visitor, VisitorOptions } from './bus.ts';
import { NOW_MS } from './identities.ts';
import { MemoryChannels } from './memory-channels.ts';
import { identityOf } from './session-pair.ts';

/** A channel of everybody on every topic of the plant, unless told. */
export function channelOf(more: Partial<Channel> = {}): Channel {
  return {
    name: 'plant',
    filters: ['plant/#'],
    writers: ['alice'],
    readers: ['bob', 'carol'],
    confirmers: 'none',
    rotateAfterMs: 86_400_000,
    rotateAfterFrames: 2 ** 20,
    history: false,
    batchMax: 1024,
    paddingBytes: 0,
    evidence: 'none',
    erasers: [],
    ...more,
  };
}

/** What a test's roster says. */
export interface RosterContent {
  readonly channels: readonly Channel[];
  readonly names?: readonly string[];
  readonly revocations?: readonly Revocation[];
  readonly expiresAtS?: number;
}

/** A roster that changes when a test says so; all who share it see the same. */
export class TestRoster implements RosterView {
  current: SignedRoster | null = null;
  failure: SealwireError | null = null;
  readonly #hashes = new Map<number, Uint8Array>();
  readonly #listeners = new Set<Parameters<RosterView['onChange']>[0]>();

  static async of(content: RosterContent): Promise<TestRoster> {
    const roster = new TestRoster();
    await roster.change(content);
    return roster;
  }

  /** The next version says this. */
  async change({
    channels,
    names = ['alice', 'bob', 'carol'],
    revocations = [],
    expiresAtS,
  }: RosterContent): Promise<void> {
    const before = this.current;
    const version = (before?.version ?? 0) + 1;
    const members = await Promise.all(
      names.map(async (name): Promise<PinnedMember> => ({ type: 'pin', name, id: (await identityOf(name)).id })),
    );
    const hash = nodeCrypto.sha256(new TextEncoder().encode(`version ${version}`));
    this.#hashes.set(version, hash);
    this.current = {
      ...{ name: 'works', version, previous: before?.hash ?? null, authorityKey: new Uint8Array(65) },
      ...{ issuedAtS: NOW_MS / 1000, expiresAtS: expiresAtS ?? null, members, channels, revocations },
      ...{ bytes: new Uint8Array(0), hash, signerId: new Uint8Array(32) },
      ...{ signature: new Uint8Array(64), toBeVerified: new Uint8Array(0) },
    };
    for (const listener of this.#listeners) listener(this.current, before);
  }

  hashOf(version: number): Uint8Array | null {
    return this.#hashes.get(version) ?? null;
  }

  onChange(listener: Parameters<RosterView['onChange']>[0]): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** Somebody who takes part in channels, and what is told to it. */
export interface ChannelVisitor extends Visitor {
  readonly channelEvents: readonly ChannelEvent[];
}

/** How somebody takes part in channels. */
export interface ChannelVisitorOptions extends VisitorOptions {
  readonly store?: ChannelStore;
  readonly rosters?: RosterSource;
  readonly tuning?: Partial<ChannelTuning>;
  /** `plant/#` unless told. */
  readonly filters?: readonly string[];
}

/** Somebody joins a square with its channels, and subscribes. */
export async function enterChannels(
  square: Square,
  roster: RosterView,
  name: string,
  { store = new MemoryChannels(), tuning = {}, filters = ['plant/#'], rosters, ...more }: ChannelVisitorOptions = {},
  client = name,
): Promise<ChannelVisitor> {
  const channelEvents: ChannelEvent[] = [];
  const { id, certificates, signer } = await identityOf(name);
  const own = { id, name, publicKey: signer.publicKey, trust: 'pin' as const, authority: null, certificates };
  const onEvent = (event: ChannelEvent): void => void channelEvents.push(event);
  const channels = { roster, store, own, tuning, onEvent, ...(rosters ? { rosters } : {}) };
  const visitor = await square.enter(name, { ...more, channels }, client);
  await square.elapse(Promise.all(filters.map((filter) => visitor.bus.subscribe(filter))));
  return { ...visitor, channelEvents };
}

/** Publishes a text for all readers of its topic. */
export function announce(
  { bus }: Visitor,
  topic: string,
  text: string,
  options: ChannelPublishOptions = {},
): Promise<Sent> {
  return bus.publishInChannel(topic, new TextEncoder().encode(text), options);
}

/** The codes of what was refused. */
export function refusedIn({ channelEvents }: ChannelVisitor): string[] {
  return channelEvents.flatMap((event) => (event.type === 'refused' ? [event.error.code] : []));
}
