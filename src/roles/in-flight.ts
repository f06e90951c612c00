import { equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { SealwireError } from '../core/errors.ts';
import { type DeliveryReceipt, hashLabels, seqsOf } from '../core/frame/receipt.ts';
import type { PendingMessage } from './send-queue.ts';

/** A frame that was handed to the transport and is not yet covered by the reader's receipt. */
export interface InFlightFrame {
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** 32 bytes: what a receipt names the label by. */
  readonly leafHash: Uint8Array;
  readonly messages: readonly PendingMessage[];
}

interface Entry {
  readonly frame: InFlightFrame;
  repairs: number;
  /** The newest seq that had left when it was sent last; infinite while it is about to be sent again. */
  sentAfter: number;
}

/** How much may be under way at once. */
export interface WindowBounds {
  readonly framesMax: number;
  readonly bytesMax: number;
}

/** One frame is sent again this often, then the reader's own patience decides. */
const REPAIRS_MAX = 3;

/** The sender's window: what is under way, in order of seq, until the reader confirms it. */
export class InFlight {
  readonly #bounds: WindowBounds;
  readonly #entries = new Map<number, Entry>();
  #newest = -1;
  #bytes = 0;
  #change: PromiseWithResolvers<void> | undefined;

  constructor(bounds: WindowBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(frame: InFlightFrame): void {
    this.#entries.set(frame.seq, { frame, repairs: 0, sentAfter: frame.seq });
    this.#newest = frame.seq;
    this.#bytes += frame.bytes.length;
  }

  /** `frame`, which {@link takeLost} gave, is sent again now. */
  resent({ seq }: InFlightFrame): void {
    const entry = this.#entries.get(seq);
    if (entry) entry.sentAfter = this.#newest;
  }

  /** Resolves when the window has room for another frame. */
  async room(): Promise<void> {
    while (this.#entries.size >= this.#bounds.framesMax || this.#bytes >= this.#bounds.bytesMax) await this.#changed();
  }

  /** Resolves when everything is confirmed. */
  async empty(): Promise<void> {
    while (this.#entries.size > 0) await this.#changed();
  }

  /**
   * Takes a receipt's word and gives the frames it covers; throws `malformed` where it names a frame that is not under
   * way or other labels than ours, and then changes nothing.
   */
  confirm(crypto: Crypto, receipt: DeliveryReceipt): InFlightFrame[] {
    const covered: InFlightFrame[] = [];
    for (const seq of seqsOf(receipt.ranges)) {
      const frame = this.#entries.get(seq)?.frame;
      if (!frame) throw new SealwireError('malformed', `A delivery receipt names seq ${seq}, which is not under way.`);
      covered.push(frame);
    }
    const hash = hashLabels(
      crypto,
      covered.map(({ leafHash }) => leafHash),
    );
    if (!equalBytes(hash, receipt.labelsHash)) {
      throw new SealwireError('malformed', 'A delivery receipt is about other labels than those that were sent.');
    }
    for (const frame of covered) this.#remove(frame);
    this.#signal();
    return covered;
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

  /** Forgets everything and rejects whoever waits for a receipt. */
  fail(error: Error): void {
    for (const { frame } of [...this.#entries.values()]) {
      this.#remove(frame);
      for (const { until, done } of frame.messages) if (until === 'delivered') done.reject(error);
    }
    this.#signal();
  }

  #remove(frame: InFlightFrame): void {
    this.#entries.delete(frame.seq);
    this.#bytes -= frame.bytes.length;
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
