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
  /** Which of all sessions began first. */
  readonly began: number;
  /** Which of all sessions was heard first; undefined before. */
  heard: number | undefined;
  heardAtMs: number;
}

/** Live sessions with one peer; the oldest makes room for the newest. */
const SESSIONS_MAX = 4;
/** A session that is not the current one and in which no message came for so long is ended. */
const RETIRE_MS = 30_000;

/** The sessions with one peer; the newest, or whichever is preferred to it, stands last. */
interface Place {
  entries: Entry[];
  cancelRetiring: () => void;
}

/**
 * The sessions with every peer. All that are live are listened to; sent is on the current one: the newest, or, of two
 * that were begun from both sides at once, the one whose Initiator has the lower id, so that both sides choose alike.
 */
export class SessionTable {
  readonly #clock: Clock;
  readonly #ownId: Uint8Array;
  #count = 0;
  /** By the peer's id. */
  readonly #places = new Map<string, Place>();

  constructor(clock: Clock, ownId: Uint8Array) {
    this.#clock = clock;
    this.#ownId = ownId;
  }

  add(session: Session, facts: SessionFacts): void {
    const key = bytesToHex(session.peer.id);
    const place = this.#places.get(key) ?? { entries: [], cancelRetiring: () => {} };
    this.#places.set(key, place);
    const { entries } = place;
    const initiatorId = facts.role === 'initiator' ? this.#ownId : session.peer.id;
    const heardAtMs = this.#clock.elapsed();
    const entry: Entry = { session, initiatorId, facts, began: ++this.#count, heard: undefined, heardAtMs };
    const current = entries.at(-1);
    const isBehind = current !== undefined && facts.overlapped && yieldsTo(entry, current);
    // One that nobody sends in any more has as long as all others, however long it was only sent in.
    if (current && !isBehind) current.heardAtMs = heardAtMs;
    entries.splice(isBehind ? entries.length - 1 : entries.length, 0, entry);
    void session.over.then(() => this.#remove(key, entry));
    for (const { session: oldest } of entries.slice(0, -SESSIONS_MAX)) end(oldest);
    // Who begins anew without having been called has lost what came before: it is not waited for long.
    if (facts.role === 'responder' && !facts.overlapped)
      for (const { session: before } of othersOf(place)) if (before.unsettled) end(before);
    this.#retireLater(place);
  }

  /** Where to send to that peer; undefined where there is no session. It may be at its end: another follows then. */
  current(peerId: Uint8Array): Session | undefined {
    return this.#places.get(bytesToHex(peerId))?.entries.at(-1)?.session;
  }

  /** Sessions with the same peer, beside `session`, in which something is under way that must not be overtaken. */
  unsettledBeside(session: Session): Session[] {
    const { entries = [] } = this.#places.get(bytesToHex(session.peer.id)) ?? {};
    return entries.map((entry) => entry.session).filter((other) => other !== session && other.unsettled);
  }

  /**
   * A message came in `session`: it is in use. True where its sender had gone on to another one: it does so only when
   * everything before was confirmed or given up, so the message comes late.
   */
  heard(session: Session): boolean {
    const { entries = [] } = this.#places.get(bytesToHex(session.peer.id)) ?? {};
    const entry = entries.find((candidate) => candidate.session === session);
    if (!entry) return false;
    entry.heardAtMs = this.#clock.elapsed();
    const isLate = entries.some((other) => isLeftFor(entry, other));
    entry.heard ??= isLate ? 0 : ++this.#count;
    return isLate;
  }

  /** Every live session. */
  all(): Session[] {
    return [...this.#places.values()].flatMap(({ entries }) => entries).map(({ session }) => session);
  }

  #remove(key: string, entry: Entry): void {
    const place = this.#places.get(key);
    if (!place) return;
    place.entries = place.entries.filter((other) => other !== entry);
    if (place.entries.length === 0) this.#places.delete(key);
    // Timers keep a process alive: none is left where there is nothing to retire.
    this.#retireLater(place);
  }

  #retireLater(place: Place): void {
    place.cancelRetiring();
    place.cancelRetiring = () => {};
    const others = othersOf(place);
    if (others.length === 0) return;
    const dueMs = Math.min(...others.map(({ heardAtMs }) => heardAtMs)) + RETIRE_MS;
    place.cancelRetiring = this.#clock.after(dueMs - this.#clock.elapsed(), () => {
      const unusedSince = this.#clock.elapsed() - RETIRE_MS;
      for (const { session, heardAtMs } of othersOf(place)) if (heardAtMs <= unusedSince) end(session);
      this.#retireLater(place);
    });
  }
}

/** True where the sender was in `entry` before, and is in `other` now. */
function isLeftFor(entry: Entry, other: Entry): boolean {
  if (other === entry || other.heard === undefined) return false;
  if (entry.heard !== undefined) return other.heard > entry.heard;
  // Of two that crossed the sender may come to either from the other.
  const crossed = entry.facts.overlapped && other.facts.overlapped;
  return !crossed && other.began > entry.began;
}

function othersOf({ entries }: Place): Entry[] {
  return entries.slice(0, -1).filter(({ session }) => !session.closing);
}

/** Of two handshakes that ran at once from both sides, that of the lower id is kept for sending. */
function yieldsTo(entry: Entry, current: Entry): boolean {
  return current.facts.role !== entry.facts.role && compareBytes(entry.initiatorId, current.initiatorId) > 0;
}

function end(session: Session): void {
  // Whatever keeps it from ending in order, it is over afterwards.
  session.close().catch(() => {});
}
