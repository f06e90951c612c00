import { join } from 'node:path';
import { SealwireError } from '../core/errors.ts';
import { formatId } from '../core/identity/id.ts';
import { pinByName } from '../core/identity/trust.ts';
import { systemClock } from '../node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { type Home, type LoadedIdentity, loadIdentity, openHome, readTrust } from '../node/home.ts';
import { SqliteReceipts } from '../node/sqlite-receipts.ts';
import type { ChannelEvent } from '../roles/channel/channel-context.ts';
import { Listening } from '../roles/listening.ts';
import type { BrokerEvent } from '../roles/mqtt/events.ts';
import { Peer, type PeerOptions } from '../roles/peer.ts';
import type { RosterKeeper } from '../roles/roster-keeper.ts';
import type { Session } from '../roles/session.ts';
import type { SessionTuning } from '../roles/session-context.ts';
import type { SessionEvent } from '../roles/session-events.ts';
import { Submitting } from '../roles/submitting.ts';
import { type JoinOptions, joinBroker, type SealwireBus } from './open-bus.ts';
import { anchorsWith, openRoster } from './open-roster.ts';
import { Transports } from './transports.ts';

/** What happens beside messages; `peer` is the name of whom it happened with. */
export type PeerEvent =
  | (SessionEvent & { readonly peer: string })
  /** Somebody connected and got no session, or a frame came that belongs to none. */
  | { readonly type: 'handshake-refused'; readonly error: SealwireError; readonly remote: string }
  /** A session at a broker ended without its signed end: what was not confirmed in it may not have arrived. */
  | { readonly type: 'session-lost'; readonly error: SealwireError; readonly peer: string }
  /** Something happened in a channel, or to the roster. */
  | { readonly type: 'channel'; readonly event: ChannelEvent }
  /** The authority has changed the roster: what follows goes by the newer version. */
  | { readonly type: 'roster'; readonly name: string; readonly version: number }
  /** The session with the notary was lost or its answer does not hold; it is tried again. */
  | { readonly type: 'notary-trouble'; readonly error: SealwireError }
  /** The authority gave another certificate, valid until then (milliseconds since 1970), or has not yet. */
  | { readonly type: 'renewed'; readonly untilMs: number }
  | { readonly type: 'renewal-failed'; readonly error: SealwireError }
  /** The line to a broker was lost, was made again, or is contested. */
  | { readonly type: 'broker'; readonly event: BrokerEvent; readonly remote: string };

/** Where the labels of a peer's sessions are logged. */
export interface NotaryAddress {
  readonly address: string;
  /** The name under which the notary is trusted. */
  readonly expect: string;
}

/** How {@link openPeer} opens. */
export interface OpenPeerOptions {
  /** The directory that `sealwire init` made. */
  readonly home: string;
  /** For a home whose key is protected. */
  readonly passphrase?: string;
  /** Without one nothing is logged. */
  readonly notary?: NotaryAddress;
  /** Told what happens beside messages; must not throw. */
  readonly onEvent?: (event: PeerEvent) => void;
  /** Overrides of `TUNING`. */
  readonly tuning?: Partial<SessionTuning>;
}

/**
 * Opens the identity of a home as a peer that dials and listens. Throws `home-missing`, `passphrase-required`,
 * `passphrase-wrong`, `certificate-expired`, `key-changed` where its trust and its roster know a name by two keys, and with a notary whatever keeps it from a session with that.
 */
export async function openPeer(options: OpenPeerOptions): Promise<SealwirePeer> {
  const home = await openHome(options.home);
  const loaded = await loadIdentity(home, {
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
    nowMs: systemClock.now(),
  });
  const roster = await openRoster(home);
  // Before anything is sent to whoever is meant by a name.
  anchorsWith(await readTrust(home), roster?.current);
  const peer = new SealwirePeer(home, loaded, roster, options);
  try {
    await peer.start();
  } catch (error) {
    await peer.close();
    throw error;
  }
  return peer;
}

/** One identity, its sessions, and its line to the notary. Made by {@link openPeer}. */
export class SealwirePeer implements AsyncDisposable {
  /** The name in its certificate. */
  readonly name: string;
  /** `SHA256:…`, as others see it. */
  readonly id: string;
  readonly #home: Home;
  readonly #identity: LoadedIdentity;
  readonly #shared: PeerOptions;
  readonly #roster: RosterKeeper | undefined;
  readonly #peer: Peer;
  readonly #transports: Transports;
  readonly #receipts: SqliteReceipts | undefined;
  readonly #submitting: Submitting | undefined;
  readonly #onEvent: (event: PeerEvent) => void;
  readonly #open = new Set<{ close(): Promise<void> }>();

  constructor(home: Home, identity: LoadedIdentity, roster: RosterKeeper | undefined, options: OpenPeerOptions) {
    this.#home = home;
    this.name = identity.name;
    this.id = formatId(identity.id);
    this.#onEvent = options.onEvent ?? (() => {});
    const shared = peerOptions(home, identity, roster, options);
    this.#roster = roster;
    roster?.onChange(({ name, version }) => this.#onEvent({ type: 'roster', name, version }));
    this.#identity = identity;
    this.#shared = shared;
    this.#transports = new Transports(identity, shared);
    if (options.notary) {
      this.#receipts = new SqliteReceipts(join(home.directory, 'receipts.db'));
      const { address, expect } = options.notary;
      const peer = new Peer(shared);
      this.#submitting = new Submitting({
        ...shared,
        receipts: this.#receipts,
        open: async () => peer.open(await this.#transports.dial(address, expect), expect),
        onTrouble: (error) => this.#onEvent({ type: 'notary-trouble', error }),
      });
    }
    this.#peer = new Peer({
      ...shared,
      sink: this.#submitting ?? null,
      onEvent: (event, { peerName }) => this.#onEvent({ ...event, peer: peerName }),
    });
  }

  /** The name of the roster that this home goes by; null for none. */
  get rosterName(): string | null {
    return this.#roster?.name ?? null;
  }

  /** Connects to the notary where there is one. Called by {@link openPeer}. */
  async start(): Promise<void> {
    await this.#submitting?.start();
  }

  /**
   * Opens a session with whoever listens at `address` (`tcp://host:port` or `tls://host:port`), who has to be the one trusted as `expect`.
   * Rejects with `address-invalid`, `peer-unreachable`, `identity-mismatch`, `identity-unknown`, `handshake-failed` and
   * others; then nothing was sent.
   */
  async dial(address: string, { expect }: { readonly expect: string }): Promise<Session> {
    await this.#checkKnown(expect);
    return this.#keep(await this.#peer.open(await this.#transports.dial(address, expect), expect));
  }

  /** Listens at `address`, where port 0 picks a free one, and answers everybody who is trusted. */
  async listen(address: string): Promise<Listening> {
    const onRefused = (error: SealwireError, remote: string): void =>
      this.#onEvent({ type: 'handshake-refused', error, remote });
    const listening = new Listening(this.#peer, await this.#transports.listen(address, onRefused), { onRefused });
    this.#open.add(listening);
    return listening;
  }

  /**
   * Joins a broker at `mqtt://host:port`, `mqtts://`, `ws://` or `wss://`: sessions with whoever is trusted and is there
   * too, whoever begins them. Rejects as {@link joinBroker} does.
   */
  async join(url: string, options: JoinOptions = {}): Promise<SealwireBus> {
    const own = {
      home: this.#home,
      identity: this.#identity,
      roster: this.#roster,
      shared: this.#shared,
      onEvent: this.#onEvent,
    };
    const bus = await joinBroker(url, own, options);
    this.#open.add(bus);
    return bus;
  }

  /** Closes sessions, listeners and lines to brokers, waits for receipts that are still to come, and closes the line to the notary. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((part) => part.close()));
    this.#open.clear();
    await this.#submitting?.close();
    this.#receipts?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A name that nobody here goes by cannot answer; with an authority it may be one that this one vouches for. */
  async #checkKnown(name: string): Promise<void> {
    const trust = await readTrust(this.#home);
    if (pinByName(trust, name) || trust.authorities.length > 0) return;
    throw new SealwireError('identity-unknown', `Nobody is trusted here under the name ${JSON.stringify(name)}.`, {
      hint: '`sealwire trust list` shows the names.',
    });
  }

  #keep(session: Session): Session {
    this.#open.add(session);
    void session.over.then(() => this.#open.delete(session));
    return session;
  }
}

function peerOptions(
  home: Home,
  identity: LoadedIdentity,
  roster: RosterKeeper | undefined,
  { tuning = {} }: OpenPeerOptions,
): PeerOptions {
  return {
    identity,
    anchors: async () => anchorsWith(await readTrust(home), roster?.current),
    crypto: nodeCrypto,
    clock: systemClock,
    verifierOf: nodeVerifier,
    tuning,
  };
}
