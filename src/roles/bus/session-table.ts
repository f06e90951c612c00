import { bytesToHex, compareBytes } from '../../core/bytes.ts';
import type { Clock } from '../../core/ports.ts';
import type { Session } from '../session.ts';

/** How a session came about. */
export interface SessionFacts {
  readonly role: 'initiator' | 'responder';
  /** Both sides were opening one to the other at the same time. */
  readonly overlapped: boolean;
}

interface Entry {
  readonly session: Session;
  /** Who began its handshake, 32 bytes. */
  readonly initiatorId: Uint8Array;
  readonly facts: SessionFacts;
  heardAtMs: number;
}

/** Live sessions with one peer; the oldest makes room for the newest. */
const SESSIONS_MAX = 4;
/** A session that is not the current one and in which no message came for so long is ended. */
const RETIRE_MS = 30_000;

/**
 * The sessions with every peer. All that are live are listened to; sent is on the current one: the newest, or, of two
 * that were begun from both sides at once, the one whose Initiator has the lower id, so that both sides choose alike.
 */
export class SessionTable {
  readonly #clock: Clock;
  readonly #ownId: Uint8Array;
  /** By the peer's id; the current one stands last. */
  readonly #entries = new Map<string, Entry[]>();
  /** By the peer's id: stops waiting for what may be retired. */
  readonly #retiring = new Map<string, () => void>();

  constructor(clock: Clock, ownId: Uint8Array) {
    this.#clock = clock;
    this.#ownId = ownId;
  }

  add(session: Session, facts: SessionFacts): void {
    const key = bytesToHex(session.peer.id);
    const entries = this.#entries.get(key) ?? [];
    const initiatorId = facts.role === 'initiator' ? this.#ownId : session.peer.id;
    const entry = { session, initiatorId, facts, heardAtMs: this.#clock.now() };
    const current = entries.at(-1);
    const isBehind = current !== undefined && facts.overlapped && yieldsTo(entry, current);
    entries.splice(isBehind ? entries.length - 1 : entries.length, 0, entry);
    this.#entries.set(key, entries);
    void session.over.then(() => this.#remove(key, entry));
    const [oldest] = entries;
    if (entries.length > SESSIONS_MAX && oldest) end(oldest.session);
    this.#retireLater(key);
  }

  /** Where to send to that peer; undefined where there is no session. */
  current(peerId: Uint8Array): Session | undefined {
    return this.#entries.get(bytesToHex(peerId))?.at(-1)?.session;
  }

  /** A message came in `session`: it is in use. */
  heard(session: Session): void {
    const entry = this.#entries.get(bytesToHex(session.peer.id))?.find((candidate) => candidate.session === session);
    if (entry) entry.heardAtMs = this.#clock.now();
  }

  /** Every live session. */
  all(): Session[] {
    return [...this.#entries.values()].flat().map(({ session }) => session);
  }

  /** Retires nothing any more. */
  stop(): void {
    for (const cancel of this.#retiring.values()) cancel();
    this.#retiring.clear();
  }

  #remove(key: string, entry: Entry): void {
    const rest = this.#entries.get(key)?.filter((other) => other !== entry) ?? [];
    if (rest.length > 0) this.#entries.set(key, rest);
    else this.#entries.delete(key);
  }

  #retireLater(key: string): void {
    const others = this.#entries.get(key)?.slice(0, -1) ?? [];
    if (others.length === 0 || this.#retiring.has(key)) return;
    const cancel = this.#clock.after(RETIRE_MS, () => {
      this.#retiring.delete(key);
      this.#retire(key);
      this.#retireLater(key);
    });
    this.#retiring.set(key, cancel);
  }

  #retire(key: string): void {
    const others = this.#entries.get(key)?.slice(0, -1) ?? [];
    const unusedSince = this.#clock.now() - RETIRE_MS;
    for (const { session, heardAtMs } of others) if (heardAtMs <= unusedSince) end(session);
  }
}

/** Of two handshakes that ran at once from both sides, that of the lower id is kept for sending. */
function yieldsTo(entry: Entry, current: Entry): boolean {
  return current.facts.role !== entry.facts.role && compareBytes(entry.initiatorId, current.initiatorId) > 0;
}

function end(session: Session): void {
  // Whatever keeps it from ending in order, it is over afterwards.
  session.close().catch(() => {});
}
