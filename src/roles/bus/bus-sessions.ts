import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import { isSealwireError, SealwireError } from '../../core/errors.ts';
import { inboxFilter, inboxTopic, parseInboxTopic } from '../../core/inbox.ts';
import { TUNING } from '../../core/limits.ts';
import type { BrokerConnection, Publication, Qos } from '../../core/ports.ts';
import type { Expected } from '../authenticating.ts';
import type { ControlHandler } from '../control.ts';
import type { MessageInbox } from '../delivery/message-inbox.ts';
import { InboxHandshakes } from '../inbox/inbox-handshakes.ts';
import type { Peer } from '../peer.ts';
import type { Session, SessionStart } from '../session.ts';
import type { SessionTuning, StoredIntake } from '../session-context.ts';
import { InboxConnection } from './inbox-connection.ts';
import { Router, type TakeChannelFrame } from './router.ts';
import { type SessionFacts, SessionTable } from './session-table.ts';
import { SILENCE_MS, SilenceWatch } from './silence-watch.ts';

/** Whom a session is with. */
export interface Addressee {
  /** 32 bytes: where the inbox is. */
  readonly id: Uint8Array;
  /** Who has to prove to be there: the name they are trusted under, or null for the id alone. */
  readonly name: string | null;
}

/** How patiently a session is opened. */
export interface Patience {
  /** How long a peer that does not answer is asked again; one handshake's time unless told. */
  readonly waitMs?: number;
}

/** The notary that logs this side's labels, where it is at the same broker. */
export interface BusLogging {
  /** 32 bytes. */
  readonly notaryId: Uint8Array;
  /** Whose sessions with it are not logged themselves. */
  readonly peer: Peer;
}

/** What {@link BusSessions} is made of. */
export interface BusSessionsOptions {
  readonly peer: Peer;
  readonly logging?: BusLogging;
  readonly broker: BrokerConnection;
  /** Of what is published on application topics. */
  readonly qos: Qos;
  /** Takes what comes in sessions and is not for the application. */
  readonly control?: ControlHandler;
  /** Takes frames of channels; without it they are nobody's here. */
  readonly takeChannelFrame?: TakeChannelFrame;
  /** Takes messages of outboxes. */
  readonly inbox?: MessageInbox;
  /** Told of each session as it begins, whoever began it. Must not throw. */
  readonly onSession: (session: Session) => void;
  /** Told of handshakes that came to nothing and of frames that belong to no session. Must not throw. */
  readonly onRefused?: (error: SealwireError, where: string) => void;
}

/** A peer that is back confirms what had come for it within so long. */
const REVIVAL_MS = 1_000;

/** One peer's sessions through one broker: handshakes over inboxes, and every frame to its session. */
export class BusSessions implements AsyncDisposable {
  readonly #options: BusSessionsOptions;
  readonly #ownId: Uint8Array;
  readonly #table: SessionTable;
  readonly #silence: SilenceWatch;
  readonly #router: Router;
  readonly #handshakes: InboxHandshakes;
  /** Handshakes that this side began, so that all who want a session share one. */
  readonly #opening = new Map<string, Promise<Session>>();
  #leaving = false;
  #closed = false;

  /** Subscribes to the own inbox. Rejects with `broker-refused` or `session-closed`. */
  static async open(options: BusSessionsOptions): Promise<BusSessions> {
    const sessions = new BusSessions(options);
    const filter = inboxFilter(options.peer.identity.id);
    await options.broker.subscribe(filter, options.qos === 2 ? 2 : 1, (unit) => sessions.take(unit));
    return sessions;
  }

  private constructor(options: BusSessionsOptions) {
    const { peer, broker, onRefused = () => {} } = options;
    this.#options = options;
    this.#ownId = peer.identity.id;
    this.#table = new SessionTable(peer.party.clock, this.#ownId);
    this.#silence = new SilenceWatch(peer.party.clock, (session) => this.#replace(session));
    this.#router = new Router(this.#ownId, onRefused, options.takeChannelFrame);
    this.#handshakes = new InboxHandshakes({
      party: peer.party,
      send: (to, unit) => {
        const topic = inboxTopic({ to, lane: 'handshake', from: this.#ownId });
        return broker.publish(topic, unit, { qos: 1 });
      },
      onSession: (start, { overlapped }) => void this.#begin(start, { role: 'responder', overlapped }),
      onRefused: (error, from) => onRefused(error, inboxTopic({ to: this.#ownId, lane: 'handshake', from })),
    });
  }

  /**
   * The session to send in: a live one, or one that is opened now. Rejects with `peer-offline` where nobody answers,
   * and whatever else keeps a handshake from coming to its end.
   */
  async with(to: Addressee, { waitMs = 0 }: Patience = {}): Promise<Session> {
    const { clock } = this.#options.peer.party;
    const untilMs = clock.elapsed() + waitMs;
    for (;;) {
      try {
        const session = this.#table.current(to.id) ?? (await this.#open(to));
        const before = this.#table.unsettledBeside(session);
        if (before.length === 0) {
          this.#silence.watch(session);
          return session;
        }
        // What was sent first arrives first, or is known to be lost.
        await Promise.all(before.map((other) => other.settled()));
      } catch (error) {
        if (!isSealwireError(error, 'peer-offline') || clock.elapsed() >= untilMs) throw error;
      }
    }
  }

  /**
   * As {@link with}, for messages whose order does not depend on sessions: nothing is waited for that is still under way
   * in others, and a peer is asked once.
   */
  async next(to: Addressee): Promise<Session> {
    const current = this.#table.current(to.id);
    const session = current && !current.closing ? current : await this.#open(to);
    this.#silence.watch(session);
    return session;
  }

  /** The session to send in at once, where there is one and nothing has to be waited for. */
  ready({ id }: Addressee): Session | undefined {
    const session = this.#table.current(id);
    if (!session || this.#table.unsettledBeside(session).length > 0) return undefined;
    this.#silence.watch(session);
    return session;
  }

  /** Every live session. */
  all(): readonly Session[] {
    return this.#table.all();
  }

  /** The session to send in to that peer, where there is one. */
  current(peerId: Uint8Array): Session | undefined {
    return this.#table.current(peerId);
  }

  /** Everybody who wants a session with one peer shares the handshake. */
  #open({ id, name }: Addressee): Promise<Session> {
    if (this.#closed || (this.#leaving && !this.#isNotary(id))) {
      return Promise.reject(new SealwireError('session-closed', 'This side has left the broker.'));
    }
    const key = bytesToHex(id);
    const opening = this.#opening.get(key) ?? this.#initiate(id, name ?? id).finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening;
  }

  /** Takes what came on any topic; resolves once it was taken in. */
  async take(publication: Publication): Promise<void> {
    const address = parseInboxTopic(publication.topic);
    if (address === null) return this.#router.take(publication);
    // Nobody keeps what is for an inbox on a broker but to annoy with it.
    if (publication.retained) return;
    if (address.lane === 'frames') return this.#router.take(publication);
    if (!equalBytes(address.to, this.#ownId)) return;
    await this.#handshakes.take(address.from, publication.payload);
    // A session that it completed is to be there before the frames that follow.
    await this.#options.peer.party.clock.turn();
  }

  /** A message came in `session`; true where it comes late, as the sender has gone on to another one. */
  heard(session: Session): boolean {
    return this.#table.heard(session);
  }

  /** Ends every session in order but that with the notary, as far as their peers are there for it. */
  async leave(): Promise<void> {
    this.#leaving = true;
    const others = this.#table.all().filter(({ peer }) => !this.#isNotary(peer.id));
    await Promise.allSettled(others.map((session) => session.close()));
  }

  /** Ends every session in order, as far as their peers are there for it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#handshakes.stop();
    await this.leave();
    await Promise.allSettled(this.#table.all().map((session) => session.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #initiate(peerId: Uint8Array, expected: Expected): Promise<Session> {
    const { start, overlapped } = await this.#handshakes.initiate(peerId, expected);
    return this.#begin(start, { role: 'initiator', overlapped });
  }

  /**
   * A peer that confirms nothing may have lost the session, by a restart or because it was the first to give it up. If
   * it answers a handshake, it gets another one; if it does not, waiting goes on. One that is no longer the current one
   * is no exception: whoever wants to send waits for it, and the peer may never have come to have it. A peer that only
   * hung for a while confirms again soon after it has answered: its session goes on.
   */
  async #replace(session: Session): Promise<void> {
    const { id } = session.peer;
    const before = this.#table.current(id);
    await this.#open({ id, name: null }).catch(() => {});
    if (this.#table.current(id) === before) return;
    const { clock } = this.#options.peer.party;
    await new Promise<void>((resolve) => void clock.after(REVIVAL_MS, resolve));
    if (session.silentMs >= SILENCE_MS) session.close().catch(() => {});
  }

  #isNotary(peerId: Uint8Array): boolean {
    const { logging } = this.#options;
    return logging !== undefined && equalBytes(logging.notaryId, peerId);
  }

  #begin(start: SessionStart, facts: SessionFacts): Session {
    const { peer, logging, broker, qos, control = null, onSession } = this.#options;
    const { ratchetId } = start.receiving;
    const connection = new InboxConnection({
      broker,
      ownId: this.#ownId,
      peerId: start.peer.id,
      qos,
      clock: peer.party.clock,
      onClosed: () => this.#router.remove(ratchetId),
    });
    this.#router.add(ratchetId, { connection, peerId: start.peer.id });
    const who = logging && this.#isNotary(start.peer.id) ? logging.peer : peer;
    const intake = this.#intakeFor(start, () => session);
    const options = { tuning: tuningFor(qos), control, ...(intake ? { intake } : {}) };
    const session: Session = who.begin(connection, connection.receive(), start, options);
    this.#table.add(session, facts);
    void session.over.then(() => this.#silence.forget(session));
    onSession(session);
    return session;
  }

  #intakeFor({ peer }: SessionStart, session: () => Session): StoredIntake | undefined {
    const { inbox } = this.#options;
    if (!inbox || this.#isNotary(peer.id)) return undefined;
    return {
      room: () => inbox.room(),
      take: (arrivals, onEvent) => {
        this.#table.heard(session());
        return inbox.take({ senderId: peer.id, senderName: peer.name, onEvent }, arrivals);
      },
    };
  }
}

/** A broker loses, doubles and reorders; at quality of service 0 nobody makes up for it. */
function tuningFor(qos: Qos): Partial<SessionTuning> {
  const lossy = {
    resendMs: TUNING.resendMs,
    windowFramesMax: TUNING.brokerWindowFramesMax,
    receiptFrames: TUNING.brokerReceiptFrames,
  };
  return qos === 0 ? { ...lossy, repair: false, gapWaitMs: 0 } : lossy;
}
