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
  repairs: number;
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
  readonly #frames = new Map<number, InFlightFrame>();
  #bytes = 0;
  #change: PromiseWithResolvers<void> | undefined;

  constructor(bounds: WindowBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#frames.size;
  }

  add(frame: InFlightFrame): void {
    this.#frames.set(frame.seq, frame);
    this.#bytes += frame.bytes.length;
  }

  /** Resolves when the window has room for another frame. */
  async room(): Promise<void> {
    while (this.#frames.size >= this.#bounds.framesMax || this.#bytes >= this.#bounds.bytesMax) await this.#changed();
  }

  /** Resolves when everything is confirmed. */
  async empty(): Promise<void> {
    while (this.#frames.size > 0) await this.#changed();
  }

  /**
   * Takes a receipt's word and gives the frames it covers; throws `malformed` where it names a frame that is not under
   * way or other labels than ours, and then changes nothing.
   */
  confirm(crypto: Crypto, receipt: DeliveryReceipt): InFlightFrame[] {
    const covered: InFlightFrame[] = [];
    for (const seq of seqsOf(receipt.ranges)) {
      const frame = this.#frames.get(seq);
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

  /** Frames older than the newest confirmed one: the carrier keeps order, so they were lost. Each a few times only. */
  takeLost(newestConfirmed: number): InFlightFrame[] {
    const lost: InFlightFrame[] = [];
    for (const frame of this.#frames.values()) {
      if (frame.seq > newestConfirmed) break;
      if (frame.repairs === REPAIRS_MAX) continue;
      frame.repairs += 1;
      lost.push(frame);
    }
    return lost;
  }

  /** Forgets everything and rejects whoever waits for a receipt. */
  fail(error: Error): void {
    for (const frame of [...this.#frames.values()]) {
      this.#remove(frame);
      for (const { until, done } of frame.messages) if (until === 'delivered') done.reject(error);
    }
    this.#signal();
  }

  #remove(frame: InFlightFrame): void {
    this.#frames.delete(frame.seq);
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
