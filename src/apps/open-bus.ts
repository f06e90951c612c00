import { join } from 'node:path';
import type { ChannelStore } from '../core/channel/store.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import type { BrokerConnection, Qos } from '../core/ports.ts';
import type { Home, LoadedIdentity } from '../node/home.ts';
import { SqliteChannels } from '../node/sqlite-channels.ts';
import { SqlitePeer } from '../node/sqlite-peer.ts';
import { SqliteReceipts } from '../node/sqlite-receipts.ts';
import { Bus, type BusChannels, type BusMessage, type BusPublishOptions } from '../roles/bus/bus.ts';
import type { Addressee, BusLogging } from '../roles/bus/bus-sessions.ts';
import { followRoster } from '../roles/bus/roster-feed.ts';
import { Peer, type PeerOptions } from '../roles/peer.ts';
import type { RosterKeeper } from '../roles/roster-keeper.ts';
import type { Sent } from '../roles/send-queue.ts';
import { Submitting } from '../roles/submitting.ts';
import { Addressees } from './addressees.ts';
import { type BrokerAccess, claimedSender, connectAs } from './connect-broker.ts';
import type { PeerEvent } from './open-peer.ts';
import { asMember } from './open-roster.ts';
import { keepRenewed, type RenewingHome } from './renewing-home.ts';

/** How an identity takes part at a broker. */
export interface JoinOptions extends Omit<BrokerAccess, 'onEvent'> {
  /** Of what is published and subscribed to, hop by hop; 1 unless told. */
  readonly qos?: Qos;
  /**
   * Where messages for and from single readers are kept: on the `disk`, unless told, in the home, which one process has
   * open at a time; or in `memory`, where they are lost with the process.
   */
  readonly store?: 'disk' | 'memory';
  /**
   * When a message of a single sender has been dealt with and never comes again: when the `next` one is asked for or
   * the bus is closed in order, unless told, or with `message.ack()` only.
   */
  readonly acknowledge?: 'next' | 'manual';
  /** The name under which a notary at the same broker is trusted; without one nothing is logged. */
  readonly notary?: string;
  /**
   * Subscribed to from the very start. With `keepSessionS` all that this client ever subscribes to has to be here: what the
   * broker kept comes at once.
   */
  readonly filters?: readonly string[];
}

/** How one message is published: for whom, and how far to wait. */
export interface PublishOptions extends BusPublishOptions {
  /** The name under which its one reader is trusted; without it, all readers of the topic's channel. */
  readonly to?: string;
  /** The broker keeps it for those who subscribe later; in channels only. */
  readonly retain?: boolean;
}

/** What {@link joinBroker} takes beside a broker's address. */
export interface BusIdentity {
  readonly home: Home;
  readonly identity: LoadedIdentity;
  /** Whose channels it takes part in; undefined for none. */
  readonly roster: RosterKeeper | undefined;
  readonly shared: PeerOptions;
  readonly onEvent: (event: PeerEvent) => void;
}

/** What one home keeps on the disk while it is at a broker. */
interface HomeStores {
  readonly channels: SqliteChannels | undefined;
  readonly delivery: SqlitePeer | undefined;
}

function closeStores({ channels, delivery }: HomeStores): void {
  channels?.close();
  delivery?.close();
}

/** Where a home keeps what it knows of channels' ratchets. */
export function channelsFile(directory: string): string {
  return join(directory, 'channels.db');
}

/** Longer than a notary at the broker takes to log and answer on a bad day. */
const NOTARY_PATIENCE_MS = 2_000;
/** A notary that was started anew knows no session of before: its silence is not to cost labels. */
const NOTARY_SILENCE_MS = 15_000;

/**
 * Connects an identity to a broker. Rejects with `address-invalid`, `broker-unreachable`, `broker-refused`, and with a
 * notary whatever keeps it from a session with that.
 */
export async function joinBroker(url: string, own: BusIdentity, options: JoinOptions = {}): Promise<SealwireBus> {
  const { qos = 1, notary, filters = [], store = 'disk', acknowledge = 'next', ...access } = options;
  const { identity, shared, roster, onEvent } = own;
  const addressees = new Addressees(own.home, roster, shared.clock);
  const notaryAt = notary === undefined ? undefined : await addressees.find(notary);
  const broker = await connectAs(identity, url, shared, {
    ...access,
    onEvent: (event) => onEvent({ type: 'broker', event, remote: broker.remote }),
  });
  let stores: HomeStores = { channels: undefined, delivery: undefined };
  let logging: BusLog | undefined;
  let bus: Bus;
  try {
    if (store === 'disk') stores = { ...stores, delivery: new SqlitePeer(join(own.home.directory, 'peer.db')) };
    if (roster) stores = { ...stores, channels: new SqliteChannels(channelsFile(own.home.directory)) };
    logging = notaryAt && new BusLog(own, notaryAt, () => bus);
    bus = await openBus(broker, qos, own, logging, stores, acknowledge);
  } catch (error) {
    await logging?.close();
    closeStores(stores);
    await broker.close();
    throw error;
  }
  const joined = new SealwireBus(addressees, bus, logging, stores);
  try {
    await Promise.all(filters.map((filter) => bus.subscribe(filter)));
    if (roster) {
      await followRoster(broker, roster, shared.clock, (error, topic) =>
        onEvent({ type: 'channel', event: { type: 'refused', error, where: topic } }),
      );
      joined.atEnd(await keepRenewed(renewingHome({ ...own, roster }, broker)));
    }

    await logging?.submitting.start();
  } catch (error) {
    await joined.close();
    const hint = 'Is `sealwire notary --broker …` running, and at the same broker?';
    throw notThere(error, `The notary ${notary}`, hint);
  }
  return joined;
}

function openBus(
  broker: BrokerConnection,
  qos: Qos,
  own: BusIdentity,
  logging: BusLog | undefined,
  { channels, delivery }: HomeStores,
  acknowledge: 'next' | 'manual',
): Promise<Bus> {
  const { shared, roster, onEvent } = own;
  return Bus.open({
    peer: new Peer({
      ...shared,
      sink: logging?.submitting ?? null,
      onEvent: (event, { peerName }) => onEvent({ ...event, peer: peerName }),
    }),
    broker,
    qos,
    ...(logging ? { logging, sink: logging.submitting } : {}),
    ...(roster && channels ? { channels: channelsOf(own, roster, channels) } : {}),
    ...(delivery ? { delivery: { store: delivery, acknowledge } } : {}),
    onRefused: (error, topic) =>
      onEvent({ type: 'handshake-refused', error, remote: `${claimedSender(topic)} at ${broker.remote}` }),
    onLost: (error, { peer }) => onEvent({ type: 'session-lost', error, peer: peer.name }),
  });
}

function renewingHome(own: BusIdentity & { readonly roster: RosterKeeper }, broker: BrokerConnection): RenewingHome {
  const { home, identity, roster, shared, onEvent } = own;
  return {
    ...{ home, identity, roster, broker, clock: shared.clock },
    onRenewed: (untilMs) => onEvent({ type: 'renewed', untilMs }),
    onFailed: (error) => onEvent({ type: 'renewal-failed', error }),
  };
}

function channelsOf(
  { identity, shared, onEvent }: BusIdentity,
  roster: RosterKeeper,
  store: ChannelStore,
): BusChannels {
  return {
    roster,
    rosters: roster,
    store,
    own: asMember(identity, roster.current, shared.clock.now()),
    onEvent: (event) => onEvent({ type: 'channel', event }),
  };
}

function notKept(): SealwireError {
  return new SealwireError('usage', 'What is for a channel is not kept for later.', {
    hint: 'Name one reader, or wait until it is sent or delivered.',
  });
}

/** Says who it is that is not there, by name; any other error as it is. */
function notThere(error: unknown, who: string, hint?: string): unknown {
  if (!isSealwireError(error, 'peer-offline')) return error;
  const shown = hint ?? error.hint;
  return new SealwireError('peer-offline', `${who} is not there: ${error.message}`, {
    ...(shown === undefined ? {} : { hint: shown }),
    cause: error,
  });
}

/** Where the labels of one bus go: a notary that listens at the same broker. */
class BusLog implements BusLogging {
  readonly notaryId: Uint8Array;
  readonly peer: Peer;
  readonly submitting: Submitting;
  readonly #receipts: SqliteReceipts;

  constructor({ home, shared, onEvent }: BusIdentity, notary: Addressee, bus: () => Bus) {
    this.notaryId = notary.id;
    this.peer = new Peer({ ...shared, tuning: { unconfirmedMaxMs: NOTARY_SILENCE_MS, ...shared.tuning } });
    this.#receipts = new SqliteReceipts(join(home.directory, 'receipts.db'));
    this.submitting = new Submitting({
      ...shared,
      receipts: this.#receipts,
      patienceMs: NOTARY_PATIENCE_MS,
      open: () => bus().session(notary),
      onTrouble: (error) => onEvent({ type: 'notary-trouble', error }),
    });
  }

  /** Waits for the receipts that are still to come. */
  async close(): Promise<void> {
    await this.submitting.close();
    this.#receipts.close();
  }
}

/** One identity at one broker: publish to a reader, subscribe, iterate over what comes. Made by {@link joinBroker}. */
export class SealwireBus implements AsyncDisposable {
  readonly #addressees: Addressees;
  readonly #bus: Bus;
  readonly #logging: BusLog | undefined;
  readonly #stores: HomeStores;
  /** Messages whose names are being looked up: those that follow go behind them. */
  #lookingUp = 0;
  #closing: Promise<void> | undefined;
  #atEnd = (): void => {};

  constructor(addressees: Addressees, bus: Bus, logging: BusLog | undefined, stores: HomeStores) {
    this.#stores = stores;
    this.#addressees = addressees;
    this.#bus = bus;
    this.#logging = logging;
  }

  /** What is to end with it. Called by {@link joinBroker}. */
  atEnd(end: () => void): void {
    this.#atEnd = end;
  }

  /** Where the broker is, for people. */
  get remote(): string {
    return this.#bus.remote;
  }

  /**
   * Seals `payload` for one reader, or without `to` for all readers of the channel that `topic` belongs to, and
   * publishes it. Opens a session with the one reader first where there is none; rejects with `peer-offline` where it
   * does not answer within one handshake's time, or `waitMs`. Messages to one reader leave in the order of the calls,
   * awaited or not, and the payload may be changed at once. Rejects with `topic-invalid`, `identity-unknown`, as `Session.send` does, and in a channel with `roster-…`, `channel-unknown` or
   * `not-allowed`.
   */
  async publish(topic: string, payload: Uint8Array, { to, ...options }: PublishOptions = {}): Promise<Sent> {
    // While a name is looked up or a session opened, the caller may change its bytes.
    const kept = payload instanceof Uint8Array ? new Uint8Array(payload) : payload;
    if (to === undefined) {
      const { until = 'sent', ...rest } = options;
      if (until === 'queued') throw notKept();
      return this.#bus.publishInChannel(topic, kept, { ...rest, until });
    }
    try {
      let addressee = this.#lookingUp === 0 ? this.#addressees.known(to) : undefined;
      if (!addressee) {
        this.#lookingUp += 1;
        try {
          addressee = await this.#addressees.find(to);
        } finally {
          this.#lookingUp -= 1;
        }
      }
      return await this.#bus.publish(topic, kept, addressee, options);
    } catch (error) {
      throw notThere(error, to);
    }
  }

  /** Asks for what is published under `filter` and sealed for this identity; rejects with `topic-invalid`, `broker-refused`. */
  subscribe(filter: string): Promise<void> {
    return this.#bus.subscribe(filter);
  }

  /** True where `topic` lies under a filter that was subscribed to. */
  isSubscribed(topic: string): boolean {
    return this.#bus.isSubscribed(topic);
  }

  /** What comes, from everybody, in each sender's order. One consumer; what is not read holds the broker back. */
  [Symbol.asyncIterator](): AsyncIterableIterator<BusMessage> {
    return this.#bus[Symbol.asyncIterator]();
  }

  /** Ends sessions in order, waits for receipts that are still to come, and leaves the broker. Iteration ends. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#atEnd();
    await this.#bus.leave();
    await this.#logging?.close();
    await this.#bus.close();
    closeStores(this.#stores);
  }
}
