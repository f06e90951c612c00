import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import type { ChannelStore } from '../../core/channel/store.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import { parseInboxTopic } from '../../core/inbox.ts';
import { KIND } from '../../core/kinds.ts';
import { TreeHasher } from '../../core/ledger/merkle.ts';
import { TUNING } from '../../core/limits.ts';
import type { BrokerConnection, Qos, Subscription } from '../../core/ports.ts';
import type { RosterView } from '../../core/roster/roster.ts';
import { checkFilter, checkTopic, topicMatches } from '../../core/topic.ts';
import { CHANNEL_TUNING, type ChannelEvent, type ChannelTuning } from '../channel/channel-context.ts';
import { Channels } from '../channel/channels.ts';
import type { RosterSource } from '../channel/roster-exchange.ts';
import { Acknowledging } from '../delivery/acknowledging.ts';
import { Delivery, type DeliveryOptions } from '../delivery/delivery.ts';
import type { Outbox } from '../delivery/outbox.ts';
import type { ReceivedMessage } from '../incoming.ts';
import type { LabelSink } from '../label-sink.ts';
import type { Peer } from '../peer.ts';
import { AsyncQueue } from '../queue.ts';
import type { Sent, StoredUntil } from '../send-queue.ts';
import { OCTET_STREAM, type SendOptions, type Session } from '../session.ts';
import { Turns } from '../turns.ts';
import { type Addressee, type BusLogging, BusSessions, type Patience } from './bus-sessions.ts';

/** A message that came through a broker. */
export interface BusMessage extends ReceivedMessage {
  /** The sender's name, as trust shows it. */
  readonly from: string;
  /** The channel that it was sealed for; null where it was sealed for this peer alone. */
  readonly channel: string | null;
  /** The broker had kept it from before the subscription. */
  readonly retained: boolean;
  /** It may have been handed out before, by this process or another one: nobody acknowledged it. */
  readonly redelivered: boolean;
  /**
   * The application has done with it: where this side has an inbox on a disk the message is forgotten there, and comes
   * again after a restart unless this was called. Resolves when that is written, with `file-unwritable` rejects.
   */
  ack(): Promise<void>;
}

/** How one message is published. */
export interface BusPublishOptions extends Omit<SendOptions, 'topic' | 'until'>, Patience {
  /** How far to wait; `sent` unless told. `queued` takes an outbox: written there, and sent whenever that goes. */
  readonly until?: StoredUntil;
}

/** How one message is published for all readers of a channel. */
export interface ChannelPublishOptions extends Omit<SendOptions, 'topic'>, Patience {
  /** The broker keeps it for those who subscribe later. */
  readonly retain?: boolean;
}

/** What taking part in channels takes. */
export interface BusChannels {
  readonly roster: RosterView;
  /** Where versions come from that are handed to other members, and go to that they hand on; none without it. */
  readonly rosters?: RosterSource;
  readonly store: ChannelStore;
  /** This side, as others see it. */
  readonly own: ValidIdentity;
  readonly tuning?: Partial<ChannelTuning>;
  /** Told what happens in channels beside messages. Must not throw. */
  readonly onEvent?: (event: ChannelEvent) => void;
}

/** What a {@link Bus} is made of. */
export interface BusOptions {
  readonly peer: Peer;
  readonly logging?: BusLogging;
  /** Without it this side knows sessions only. */
  readonly channels?: BusChannels;
  /** Without it what is sent and what comes lies in memory only. */
  readonly delivery?: DeliveryOptions;
  /** Where labels of channels are logged; null for nowhere. */
  readonly sink?: LabelSink | null;
  /** Belongs to the bus from then on. */
  readonly broker: BrokerConnection;
  /** Both of what is published and of what is subscribed to. */
  readonly qos: Qos;
  /** Told of handshakes that came to nothing and of frames that belong to no session. Must not throw. */
  readonly onRefused?: (error: SealwireError, where: string) => void;
  /** Told of each session that ended without its signed end. Must not throw. */
  readonly onLost?: (error: SealwireError, session: Session) => void;
}

/** One peer at one broker: publish to a reader on a topic, subscribe, iterate over what comes. */
export class Bus implements AsyncDisposable {
  readonly #options: BusOptions;
  readonly #messages: AsyncQueue<BusMessage>;
  /** What was asked of the broker, granted or not yet, in the order of asking. */
  readonly #filters = new Map<string, Promise<Subscription>>();
  /** By the reader's id: to each, messages leave in the order in which they were given. */
  readonly #turns = new Map<string, Turns>();
  readonly #delivery: Delivery;
  readonly #acknowledging = new Acknowledging<BusMessage>();
  #sessions: BusSessions | undefined;
  #channels: Channels | undefined;
  #closing: Promise<void> | undefined;

  /** Subscribes to the own inbox. Rejects with `broker-refused` or `session-closed`, and then has closed the line. */
  static async open(options: BusOptions): Promise<Bus> {
    const bus = new Bus(options);
    try {
      const channels = options.channels && bus.#channelsOf(options.channels);
      bus.#sessions = await BusSessions.open({
        ...options,
        ...(channels ? { control: channels, takeChannelFrame: (unit, isInbox) => channels.take(unit, isInbox) } : {}),
        inbox: bus.#delivery.inbox,
        onSession: (session) => bus.#serve(session),
      });
      bus.#channels = channels;
      bus.#delivery.outbox?.start();
    } catch (error) {
      bus.#delivery.inbox.stop();
      await options.broker.close();
      throw error;
    }
    return bus;
  }

  private constructor(options: BusOptions) {
    this.#options = options;
    const { receiveQueueMessagesMax, receiveQueueBytesMax } = TUNING;
    this.#messages = new AsyncQueue(receiveQueueMessagesMax, receiveQueueBytesMax, ({ payload }) => payload.length);
    const { peer, delivery, logging } = options;
    const { clock, crypto } = peer.party;
    this.#delivery = new Delivery(delivery, {
      ...{ clock, crypto, isLogged: logging !== undefined },
      open: (to) => this.#sessionsOrThrow().next(to),
      isCurrent: (session) => this.#sessions?.current(session.peer.id) === session,
      deliver: ({ senderName, ...message }) =>
        this.#messages.push({ ...message, from: senderName, channel: null, retained: false }),
    });
    this.#delivery.inbox.start();
  }

  /** Where the broker is, for people. */
  get remote(): string {
    return this.#options.broker.remote;
  }

  /**
   * Seals `payload` for one reader and publishes it on `topic`; opens a session first where there is none. Resolves as
   * far as `until` says. Rejects with `topic-invalid`, `peer-offline` where the reader does not answer, and whatever
   * keeps a handshake or a session from coming to its end.
   */
  async publish(topic: string, payload: Uint8Array, to: Addressee, options: BusPublishOptions = {}): Promise<Sent> {
    checkTopic(topic);
    const { waitMs, ...rest } = options;
    const { outbox } = this.#delivery;
    if (outbox && this.#options.qos > 0) return await this.#keep(outbox, topic, payload, to, options);
    const until = rest.until ?? 'sent';
    if (until === 'queued') throw noOutbox(this.#options.qos);
    const open = (): Promise<Session> => this.session(to, waitMs === undefined ? {} : { waitMs });
    const message = { ...rest, until, topic };
    const turns = this.#turnsOf(to);
    // One that had to wait for its session is not overtaken by one that found it there.
    const ready = turns.idle ? this.#sessionsOrThrow().ready(to) : undefined;
    if (ready) return await sendIn(ready, open, payload, message);
    const opening = open();
    opening.catch(() => {});
    const { sent } = await turns.run(async () => ({ sent: sendIn(await opening, open, payload, message) }));
    return await sent;
  }

  #keep(
    outbox: Outbox,
    topic: string,
    payload: Uint8Array,
    to: Addressee,
    { contentType = OCTET_STREAM, expiresAtMs, until = 'sent', waitMs = 0 }: BusPublishOptions,
  ): Promise<Sent> {
    this.#sessionsOrThrow();
    return outbox.send(to, { topic, contentType, payload, expiresAtMs: expiresAtMs ?? null, until, waitMs });
  }

  /**
   * Seals `payload` for all readers of the channel that `topic` belongs to and publishes it. Resolves as far as `until`
   * says: `delivered` is confirmed by those whom the roster asks to, within `waitMs`, one handshake's time unless told.
   * Rejects with `peer-offline` where they do not, `usage` where this side takes part in
   * no channels, `roster-…`, `channel-unknown`, `not-allowed`, and as a session's `send` does.
   */
  async publishInChannel(topic: string, payload: Uint8Array, options: ChannelPublishOptions = {}): Promise<Sent> {
    this.#sessionsOrThrow();
    if (!this.#channels) {
      throw new SealwireError('roster-missing', 'Without a roster nobody says who the readers of a topic are.', {
        hint: 'Name one reader, or take a roster: sealwire roster join.',
      });
    }
    return this.#channels.publish({
      kind: KIND.message,
      topic: checkTopic(topic),
      contentType: options.contentType ?? OCTET_STREAM,
      payload,
      expiresAtMs: options.expiresAtMs ?? null,
      until: options.until ?? 'sent',
      retain: options.retain ?? false,
      waitMs: options.waitMs ?? this.#options.peer.party.timeoutMs,
    });
  }

  /** The session to send in, opened where there is none. What comes in it comes with everything else. */
  session(to: Addressee, patience: Patience = {}): Promise<Session> {
    return this.#sessionsOrThrow().with(to, patience);
  }

  /**
   * Asks the broker for what is published under `filter`. Only what was sealed for this peer by somebody it trusts comes
   * of it. Rejects with `topic-invalid` or `broker-refused`.
   */
  async subscribe(filter: string): Promise<void> {
    checkFilter(filter);
    const sessions = this.#sessionsOrThrow();
    const asked = this.#filters.get(filter) ?? this.#ask(filter, sessions);
    this.#filters.set(filter, asked);
    try {
      await asked;
    } catch (error) {
      this.#filters.delete(filter);
      throw error;
    }
  }

  #ask(filter: string, sessions: BusSessions): Promise<Subscription> {
    const { broker, qos } = this.#options;
    return broker.subscribe(filter, qos, (publication) =>
      this.#isFirst(filter, publication.topic) ? sessions.take(publication) : undefined,
    );
  }

  /** What several filters match is taken once, and inboxes have a subscription of their own. */
  #isFirst(filter: string, topic: string): boolean {
    if (parseInboxTopic(topic)) return false;
    return this.#filters.keys().find((other) => topicMatches(other, topic)) === filter;
  }

  /** True where `topic` lies under a filter that was subscribed to. */
  isSubscribed(topic: string): boolean {
    return [...this.#filters.keys()].some((filter) => topicMatches(filter, topic));
  }

  /** What comes, from everybody, in each sender's order. One consumer; what is not read holds the broker back. */
  [Symbol.asyncIterator](): AsyncIterableIterator<BusMessage> {
    const items = this.#messages.items();
    return this.#options.delivery?.acknowledge === 'manual' ? items : this.#acknowledging.over(items);
  }

  /** Ends every session in order, but that with the notary, who has to hear of their ends; opens no new ones. */
  async leave(): Promise<void> {
    await this.#delivery.outbox?.stop();
    this.#delivery.inbox.unbound();
    this.#messages.unbound();
    await this.#channels?.close();
    await this.#sessions?.leave();
  }

  /** Ends sessions in order as far as their peers are there for it, and leaves the broker. Iteration ends. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#delivery.outbox?.stop();
    this.#delivery.inbox.unbound();
    this.#messages.unbound();
    await this.#channels?.close();
    await this.#sessions?.close();
    await this.#options.broker.close();
    await this.#acknowledging.finish();
    this.#delivery.inbox.stop();
    this.#messages.end();
  }

  #channelsOf({ roster, rosters, store, own, tuning, onEvent = () => {} }: BusChannels): Channels {
    const { peer, broker, qos, sink = null } = this.#options;
    const { crypto, clock, identity, verifierOf } = peer.party;
    const context = {
      ...{ crypto, clock, verifierOf, roster, broker, qos, sink, onEvent },
      hasher: new TreeHasher(crypto),
      ownId: identity.id,
      signer: identity.signer,
      sessions: {
        current: (id: Uint8Array) => this.#sessions?.current(id),
        all: () => this.#sessions?.all().filter(({ peer: { id }, closing }) => !closing && !this.#isNotary(id)) ?? [],
        open: (id: Uint8Array) => this.session({ id, name: null }),
      },
      tuning: { ...CHANNEL_TUNING, ...tuning },
    };
    return new Channels(context, own, store, (message) => this.#messages.push({ ...message, ...UNKEPT }), rosters);
  }

  #turnsOf({ id }: Addressee): Turns {
    const key = bytesToHex(id);
    const turns = this.#turns.get(key) ?? new Turns();
    this.#turns.set(key, turns);
    return turns;
  }

  #sessionsOrThrow(): BusSessions {
    if (this.#sessions && !this.#closing) return this.#sessions;
    throw new SealwireError('session-closed', 'This side has left the broker.');
  }

  #isNotary(peerId: Uint8Array): boolean {
    const { logging } = this.#options;
    return logging !== undefined && equalBytes(logging.notaryId, peerId);
  }

  #serve(session: Session): void {
    const { onLost } = this.#options;
    // What a notary answers is for who submits.
    if (this.#isNotary(session.peer.id)) return;
    this.#channels?.greet(session);
    this.#delivery.outbox?.hurry(session.peer.id);
    this.#drain(session).catch((cause: unknown) => {
      const error = isSealwireError(cause) ? cause : new SealwireError('internal', 'A session failed.', { cause });
      // The others go on.
      onLost?.(error, session);
    });
  }

  async #drain(session: Session): Promise<void> {
    const from = session.peer.name;
    for await (const message of session) {
      const late = this.#sessions?.heard(session) ?? false;
      await this.#messages.push({
        ...message,
        ...UNKEPT,
        late: message.late || late,
        from,
        channel: null,
        retained: false,
      });
    }
  }
}

/** What only lies in memory comes once or not at all. */
const UNKEPT = { redelivered: false, ack: (): Promise<void> => Promise.resolve() } as const;

function noOutbox(qos: Qos): SealwireError {
  return qos === 0
    ? new SealwireError('usage', 'At quality of service 0 nothing is kept for later.', { hint: 'Choose 1 or 2.' })
    : new SealwireError('usage', 'Without an outbox nothing is kept for later.', {
        hint: 'Open the bus with a store.',
      });
}

/** In `session`, or in the next one where the peer has ended that just now. */
async function sendIn(
  session: Session,
  open: () => Promise<Session>,
  payload: Uint8Array,
  options: SendOptions,
): Promise<Sent> {
  for (let current = session; ; current = await open()) {
    try {
      return await current.send(payload, options);
    } catch (error) {
      // In order: what it had taken was confirmed, and this was not taken.
      if (!isSealwireError(error, 'session-closed')) throw error;
      await current.over;
    }
  }
}
