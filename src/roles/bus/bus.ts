import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import { parseInboxTopic } from '../../core/inbox.ts';
import { TUNING } from '../../core/limits.ts';
import type { BrokerConnection, Qos, Subscription } from '../../core/ports.ts';
import { checkFilter, checkTopic, topicMatches } from '../../core/topic.ts';
import type { ReceivedMessage } from '../incoming.ts';
import type { Peer } from '../peer.ts';
import { AsyncQueue } from '../queue.ts';
import type { Sent } from '../send-queue.ts';
import type { SendOptions, Session } from '../session.ts';
import { Turns } from '../turns.ts';
import { type Addressee, type BusLogging, BusSessions, type Patience } from './bus-sessions.ts';

/** A message that came through a broker. */
export interface BusMessage extends ReceivedMessage {
  /** The sender's name, as trust shows it. */
  readonly from: string;
}

/** How one message is published. */
export interface BusPublishOptions extends Omit<SendOptions, 'topic'>, Patience {}

/** What a {@link Bus} is made of. */
export interface BusOptions {
  readonly peer: Peer;
  readonly logging?: BusLogging;
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
  #sessions: BusSessions | undefined;
  #closing: Promise<void> | undefined;

  /** Subscribes to the own inbox. Rejects with `broker-refused` or `session-closed`, and then has closed the line. */
  static async open(options: BusOptions): Promise<Bus> {
    const bus = new Bus(options);
    try {
      bus.#sessions = await BusSessions.open({ ...options, onSession: (session) => bus.#serve(session) });
    } catch (error) {
      await options.broker.close();
      throw error;
    }
    return bus;
  }

  private constructor(options: BusOptions) {
    this.#options = options;
    const { receiveQueueMessagesMax, receiveQueueBytesMax } = TUNING;
    this.#messages = new AsyncQueue(receiveQueueMessagesMax, receiveQueueBytesMax, ({ payload }) => payload.length);
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
    const open = (): Promise<Session> => this.session(to, waitMs === undefined ? {} : { waitMs });
    const message = { ...rest, topic };
    const turns = this.#turnsOf(to);
    // One that had to wait for its session is not overtaken by one that found it there.
    const ready = turns.idle ? this.#sessionsOrThrow().ready(to) : undefined;
    if (ready) return await sendIn(ready, open, payload, message);
    const opening = open();
    opening.catch(() => {});
    const { sent } = await turns.run(async () => ({ sent: sendIn(await opening, open, payload, message) }));
    return await sent;
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
    return this.#messages.items();
  }

  /** Ends every session in order, but that with the notary, who has to hear of their ends; opens no new ones. */
  async leave(): Promise<void> {
    this.#messages.unbound();
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
    this.#messages.unbound();
    await this.#sessions?.close();
    await this.#options.broker.close();
    this.#messages.end();
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

  #serve(session: Session): void {
    const { logging, onLost } = this.#options;
    // What a notary answers is for who submits.
    if (logging && equalBytes(logging.notaryId, session.peer.id)) return;
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
      await this.#messages.push({ ...message, late: message.late || late, from });
    }
  }
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
