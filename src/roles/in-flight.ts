import { equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { SealwireError } from '../core/errors.ts';
import { type DeliveryReceipt, hashLabels, seqsOf } from '../core/frame/receipt.ts';
import type { Pauses } from './retransmission-timeout.ts';
import type { PendingMessage } from './send-queue.ts';

/** A frame that was handed to the transport and is not yet covered by the reader's receipt. */
export interface InFlightFrame {
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** 32 bytes: what a receipt names the label by. */
  readonly leafHash: Uint8Array;
  readonly messages: readonly PendingMessage[];
  /** False where nothing is done about a loss but to say so. */
  readonly repaired: boolean;
}

/** What a receipt says that was not known before. */
export interface Confirmed {
  readonly frames: readonly InFlightFrame[];
  /** When the newest of them that was sent once only had left, milliseconds; null where all were repaired. */
  readonly sentAtMs: number | null;
  /** Highest seq that the receipt names. */
  readonly newest: number;
}

interface Entry {
  readonly frame: InFlightFrame;
  repairs: number;
  /** The newest seq that had left when it was sent last; infinite while it is about to be sent again. */
  sentAfter: number;
  sentAtMs: number;
  /** How long it might stay unconfirmed, as was thought when it left. */
  pauseMs: number;
  /** It left more than once: what confirms it says nothing about how long that takes. */
  resent: boolean;
}

/** How much may be under way at once. */
export interface WindowBounds {
  readonly framesMax: number;
  readonly bytesMax: number;
}

/** One frame is sent again this often because of receipts, then the clock or the reader's own patience decides. */
const REPAIRS_MAX = 3;
/** Frames that are settled and whose labels are still known: a receipt that was lost is given again. */
const SETTLED_MAX = 1024;

/** The sender's window: what is under way, in order of seq, until the reader confirms it. */
export class InFlight {
  readonly #bounds: WindowBounds;
  readonly #entries = new Map<number, Entry>();
  readonly #settled = new Map<number, Uint8Array>();
  #newest = -1;
  #bytes = 0;
  #change: PromiseWithResolvers<void> | undefined;

  constructor(bounds: WindowBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** When the first frame under way is overdue, milliseconds; null where none is under way or all are about to be resent. */
  overdueAtMs(pauses: Pauses): number | null {
    let first: number | null = null;
    for (const entry of this.#entries.values()) {
      if (!Number.isFinite(entry.sentAfter)) continue;
      const atMs = overdueAtMs(entry, pauses);
      if (first === null || atMs < first) first = atMs;
    }
    return first;
  }

  /** `frame` leaves now, and may stay unconfirmed for `pauseMs`, or without end. */
  add(frame: InFlightFrame, nowMs: number, pauseMs: number = Number.POSITIVE_INFINITY): void {
    this.#entries.set(frame.seq, { frame, repairs: 0, sentAfter: frame.seq, sentAtMs: nowMs, pauseMs, resent: false });
    this.#newest = frame.seq;
    this.#bytes += frame.bytes.length;
  }

  /** `frame`, which {@link takeLost} or {@link takeOverdue} gave, is sent again now; false where it is settled by now. */
  resent({ seq }: InFlightFrame, nowMs: number, pauseMs: number = Number.POSITIVE_INFINITY): boolean {
    const entry = this.#entries.get(seq);
    if (!entry) return false;
    entry.sentAfter = this.#newest;
    entry.sentAtMs = nowMs;
    entry.pauseMs = pauseMs;
    entry.resent = true;
    return true;
  }

  /** True where the window has room for another frame. */
  get hasRoom(): boolean {
    return this.#entries.size < this.#bounds.framesMax && this.#bytes < this.#bounds.bytesMax;
  }

  /** Resolves when the window has room for another frame. */
  async room(): Promise<void> {
    while (!this.hasRoom) await this.#changed();
  }

  /** Resolves when everything is confirmed. */
  async empty(): Promise<void> {
    while (this.#entries.size > 0) await this.#changed();
  }

  /**
   * Takes a receipt's word; what it repeats of earlier ones is nothing new. Throws `malformed` where it names a frame
   * that never left, or left too long ago, or other labels than ours, and then changes nothing.
   */
  confirm(crypto: Crypto, receipt: DeliveryReceipt): Confirmed {
    const entries: Entry[] = [];
    const leafHashes: Uint8Array[] = [];
    let newest = -1;
    for (const seq of seqsOf(receipt.ranges)) {
      const entry = this.#entries.get(seq);
      const leafHash = entry?.frame.leafHash ?? this.#settled.get(seq);
      if (!leafHash)
        throw new SealwireError('malformed', `A delivery receipt names seq ${seq}, which is not under way.`);
      if (entry) entries.push(entry);
      leafHashes.push(leafHash);
      newest = seq;
    }
    if (!equalBytes(hashLabels(crypto, leafHashes), receipt.labelsHash)) {
      throw new SealwireError('malformed', 'A delivery receipt is about other labels than those that were sent.');
    }
    for (const { frame } of entries) this.#remove(frame);
    this.#signal();
    const timed = entries.findLast(({ resent }) => !resent);
    return { frames: entries.map(({ frame }) => frame), sentAtMs: timed?.sentAtMs ?? null, newest };
  }

  /** Nothing more is expected of `frame`. */
  giveUp(frame: InFlightFrame): void {
    this.#remove(frame);
    this.#signal();
  }

  /**
   * Frames that were sent before the newest confirmed one and are not confirmed: the carrier keeps order, so they were
   * lost. Each is given once until it was sent again, and a few times in all.
   */
  takeLost(newestConfirmed: number): InFlightFrame[] {
    const lost: InFlightFrame[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.frame.seq > newestConfirmed) break;
      if (entry.sentAfter >= newestConfirmed || entry.repairs === REPAIRS_MAX) continue;
      entry.repairs += 1;
      entry.sentAfter = Number.POSITIVE_INFINITY;
      lost.push(entry.frame);
    }
    return lost;
  }

  /** Frames that are unconfirmed for longer than they may; each is given once until it was sent again. */
  takeOverdue(nowMs: number, pauses: Pauses): InFlightFrame[] {
    const overdue: InFlightFrame[] = [];
    for (const entry of this.#entries.values()) {
      if (overdueAtMs(entry, pauses) > nowMs || !Number.isFinite(entry.sentAfter)) continue;
      entry.sentAfter = Number.POSITIVE_INFINITY;
      overdue.push(entry.frame);
    }
    return overdue;
  }

  /** Forgets everything and rejects whoever waits for a receipt. */
  fail(error: Error): void {
    for (const { frame } of [...this.#entries.values()]) {
      this.#remove(frame);
      for (const { until, done } of frame.messages) if (until === 'delivered') done.reject(error);
    }
    this.#signal();
  }

  #remove({ seq, bytes, leafHash }: InFlightFrame): void {
    if (!this.#entries.delete(seq)) return;
    this.#bytes -= bytes.length;
    this.#settled.set(seq, leafHash);
    const [oldest] = this.#settled.keys();
    if (this.#settled.size > SETTLED_MAX && oldest !== undefined) this.#settled.delete(oldest);
  }

  #changed(): Promise<void> {
    this.#change ??= Promise.withResolvers();
    return this.#change.promise;
  }

  #signal(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }
}

/** That others had to wait longer since it left does not make it wait longer; that they need not, shortens its time too. */
function overdueAtMs({ sentAtMs, pauseMs, resent }: Entry, { freshMs, againMs }: Pauses): number {
  return sentAtMs + Math.min(pauseMs, resent ? againMs : freshMs);
}
