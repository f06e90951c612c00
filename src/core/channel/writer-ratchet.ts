import { bytesToHex, hexToBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { GRANT_OWED_MAX_MS } from '../limits.ts';
import { SendingRatchet } from '../ratchet/sending.ts';
import type { Channel } from '../roster/roster.ts';
import type { Grant } from './grant.ts';

/** Where a writer's ratchet begins. */
export interface WriterRatchetStart {
  readonly channel: string;
  /** 8 bytes: the writer's stream in the channel. */
  readonly stream: Uint8Array;
  /** The number of the first message that will be sealed with it. */
  readonly n: number;
  readonly nowMs: number;
  /** True where whoever comes later may open what was sealed before. */
  readonly history: boolean;
}

/** A place in the ratchet from which somebody may read. */
interface Place {
  readonly chainKey: Uint8Array;
  readonly n: number;
  /** Readers that do not hold the key of this place yet. */
  readonly owed: Set<string>;
}

/** The first frame that a reader may open, and since when. */
interface Entitlement {
  readonly seq: number;
  readonly sinceMs: number;
}

/**
 * One writer's ratchet in one channel and the keys that it owes: to each reader that of the first frame it may open,
 * until the reader has it. What nobody is owed any more is forgotten, so that whoever gets hold of the writer's state
 * opens what comes from the oldest key owed on, and nothing before.
 */
export class WriterRatchet {
  readonly ratchetId: Uint8Array;
  /** Seals the next frame. */
  readonly sending: SendingRatchet;
  readonly #start: WriterRatchetStart;
  /** Readers that may read, by id in hex. */
  readonly #entitled = new Map<string, Entitlement>();
  /** With `history`, until it is given up: whoever comes may read from the first frame on. */
  #keepsFirst: boolean;
  /** By seq. */
  readonly #places = new Map<number, Place>();

  /** Begins a ratchet at random. */
  static begin(crypto: Crypto, start: WriterRatchetStart): WriterRatchet {
    const chainKey = crypto.random(32);
    const ratchet = new WriterRatchet(crypto, start, crypto.random(16), chainKey);
    chainKey.fill(0);
    return ratchet;
  }

  private constructor(crypto: Crypto, start: WriterRatchetStart, ratchetId: Uint8Array, chainKey: Uint8Array) {
    this.ratchetId = ratchetId;
    this.sending = new SendingRatchet(crypto, { ratchetId, seq: 0, chainKey });
    this.#start = start;
    this.#keepsFirst = start.history;
    if (start.history) this.#placeAt(0, start.n);
  }

  /** True while somebody lacks the keys that it may have. */
  get owes(): boolean {
    return [...this.#places.values()].some(({ owed }) => owed.size > 0);
  }

  /** Ids of those who lack the keys that they may have, 32 bytes each. */
  owedIds(): Uint8Array[] {
    return [...this.#places.values()].flatMap(({ owed }) => [...owed].map(hexToBytes));
  }

  /** Ids of those who may read, 32 bytes each. */
  entitledIds(): Uint8Array[] {
    return [...this.#entitled.keys()].map(hexToBytes);
  }

  /** True for a reader that may open some of it. */
  isEntitled(readerId: Uint8Array): boolean {
    return this.#entitled.has(bytesToHex(readerId));
  }

  /**
   * From the next frame on, whose first message will have the number `n`, that reader may read; with `history` from the
   * first frame on. Nothing changes for one that may read already. `nowMs` is when the ratchet began unless told.
   */
  entitle(readerId: Uint8Array, n: number, nowMs: number = this.#start.nowMs): void {
    const reader = bytesToHex(readerId);
    if (this.#entitled.has(reader)) return;
    const seq = this.#keepsFirst ? 0 : this.sending.nextSeq;
    this.#entitled.set(reader, { seq, sinceMs: nowMs });
    this.#placeAt(seq, n).owed.add(reader);
  }

  /**
   * What that reader is to get; null where it may not read, or where the key of its place is kept no more, because all
   * who were owed it have it or because it is too late.
   */
  grantFor(readerId: Uint8Array): Grant | null {
    const seq = this.#entitled.get(bytesToHex(readerId))?.seq;
    const place = seq === undefined ? undefined : this.#places.get(seq);
    if (seq === undefined || !place) return null;
    const { channel, stream } = this.#start;
    return { channel, ratchetId: this.ratchetId, seq, chainKey: place.chainKey.slice(), stream, n: place.n };
  }

  /** That reader holds the keys from `seq` on. */
  acknowledge(readerId: Uint8Array, seq: number): void {
    const reader = bytesToHex(readerId);
    if (this.#entitled.get(reader)?.seq === seq) this.#settle(reader, seq);
  }

  /** That reader may read no more; what it holds it keeps, so the ratchet is not to be used any further. */
  drop(readerId: Uint8Array): void {
    const reader = bytesToHex(readerId);
    const entitlement = this.#entitled.get(reader);
    if (!entitlement) return;
    this.#settle(reader, entitlement.seq);
    this.#entitled.delete(reader);
  }

  /** That reader lost the keys that it had acknowledged, or they are not kept any more: it may read from here on. */
  renew(readerId: Uint8Array, n: number, nowMs: number = this.#start.nowMs): void {
    this.drop(readerId);
    this.entitle(readerId, n, nowMs);
  }

  /**
   * Gives up what has been owed for a day; whoever comes for it later may read from then on. With `history`, what was
   * before is given for a day too. However many readers there are, this costs no more than what it gives up.
   */
  expire(nowMs: number): void {
    const first = this.#places.get(0);
    if (this.#keepsFirst && ageMs(this.#start.nowMs, nowMs) >= GRANT_OWED_MAX_MS) {
      this.#keepsFirst = false;
      if (first?.owed.size === 0) this.#forget(0, first);
    }
    for (const { owed } of this.#places.values()) {
      for (const reader of owed) {
        const entitlement = this.#entitled.get(reader);
        // Those behind came to be owed theirs later.
        if (!entitlement || ageMs(entitlement.sinceMs, nowMs) < GRANT_OWED_MAX_MS) return;
        this.#settle(reader, entitlement.seq);
        this.#entitled.delete(reader);
      }
    }
  }

  /** True where the channel's rules ask for a new one before the next frame. */
  mustRotate(nowMs: number, { rotateAfterMs, rotateAfterFrames }: Channel): boolean {
    return ageMs(this.#start.nowMs, nowMs) >= rotateAfterMs || this.sending.nextSeq >= rotateAfterFrames;
  }

  /** Forgets every key. */
  erase(): void {
    this.sending.erase();
    for (const [seq, place] of this.#places) this.#forget(seq, place);
    this.#entitled.clear();
  }

  #placeAt(seq: number, n: number): Place {
    const known = this.#places.get(seq);
    if (known) return known;
    const place = { chainKey: this.sending.position().chainKey, n, owed: new Set<string>() };
    this.#places.set(seq, place);
    return place;
  }

  #settle(reader: string, seq: number): void {
    const place = this.#places.get(seq);
    place?.owed.delete(reader);
    const isForLater = this.#keepsFirst && seq === 0;
    if (place?.owed.size === 0 && !isForLater) this.#forget(seq, place);
  }

  #forget(seq: number, { chainKey }: Place): void {
    chainKey.fill(0);
    this.#places.delete(seq);
  }
}

/** A clock that was set back would otherwise put everything off for as long. */
function ageMs(sinceMs: number, nowMs: number): number {
  return Math.abs(nowMs - sinceMs);
}
