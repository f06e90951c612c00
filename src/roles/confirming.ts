import { equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import {
  encodeDeliveryReceipt,
  hashLabels,
  RECEIPT_FRAMES_MAX,
  RECEIPT_RANGES_MAX,
  seqsOf,
  toRanges,
} from '../core/frame/receipt.ts';
import type { Clock } from '../core/ports.ts';

/** Confirmed frames that are remembered, so that a receipt that got lost can be given again. */
const CONFIRMED_MAX = 1024;

/** What confirming takes of a session, or of a channel. */
export interface ConfirmingContext {
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** Whose frames are confirmed, 32 bytes. */
  readonly peerId: Uint8Array;
  readonly tuning: { readonly receiptDelayMs: number; readonly receiptFrames: number };
}

/** Sends a delivery receipt's content to the peer. */
export type SendReceipt = (content: Uint8Array) => Promise<void>;

/**
 * Gathers what was taken in and confirms it by signed receipts: at most one per `receiptDelayMs` or `receiptFrames`
 * frames, so that confirming costs a small part of one signature a frame.
 */
export class Confirming {
  readonly #context: ConfirmingContext;
  readonly #ratchetId: Uint8Array;
  readonly #send: SendReceipt;
  readonly #taken = new Map<number, Uint8Array>();
  readonly #confirmed = new Map<number, Uint8Array>();
  #cancelTimer: (() => void) | undefined;
  #sending: Promise<void> | undefined;
  #stopped = false;

  constructor(context: ConfirmingContext, ratchetId: Uint8Array, send: SendReceipt) {
    this.#context = context;
    this.#ratchetId = ratchetId;
    this.#send = send;
  }

  /** A frame was taken in; `leafHash` is its label's. */
  add(seq: number, leafHash: Uint8Array): void {
    this.#taken.set(seq, leafHash);
    this.#schedule();
  }

  /**
   * A frame that was taken in before came once more: its sender may lack the receipt, so it is confirmed again, with
   * the others and no sooner. Nothing is said for another label than the one that was taken in.
   */
  again(seq: number, leafHash: Uint8Array): void {
    const known = this.#confirmed.get(seq);
    if (known && equalBytes(known, leafHash)) this.add(seq, leafHash);
  }

  /** Confirms what was gathered now. It does not wait for the carrier, so that reading never depends on writing. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sending ??= this.#sendNext().finally(() => {
      this.#sending = undefined;
      this.#schedule();
    });
  }

  /** Resolves when everything that was taken in so far has been confirmed. */
  async drained(): Promise<void> {
    while (this.#taken.size > 0 && !this.#stopped) {
      this.flush();
      await this.#sending;
    }
    await this.#sending;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  #schedule(): void {
    if (this.#sending || this.#stopped || this.#taken.size === 0) return;
    const { receiptFrames, receiptDelayMs } = this.#context.tuning;
    if (this.#taken.size >= receiptFrames) this.flush();
    else this.#cancelTimer ??= this.#context.clock.after(receiptDelayMs, () => this.flush());
  }

  async #sendNext(): Promise<void> {
    if (this.#stopped || this.#taken.size === 0) return;
    try {
      await this.#send(this.#nextReceipt());
    } catch {
      // The carrier is gone; the session learns that from its own reading.
      this.stop();
    }
  }

  #nextReceipt(): Uint8Array {
    const { crypto, peerId } = this.#context;
    const seqs = [...this.#taken.keys()].sort((a, b) => a - b).slice(0, RECEIPT_FRAMES_MAX);
    const ranges = toRanges(seqs).slice(0, RECEIPT_RANGES_MAX);
    const leafHashes: Uint8Array[] = [];
    for (const seq of seqsOf(ranges)) {
      const leafHash = this.#taken.get(seq);
      this.#taken.delete(seq);
      if (!leafHash) continue;
      leafHashes.push(leafHash);
      this.#remember(seq, leafHash);
    }
    return encodeDeliveryReceipt({
      senderId: peerId,
      ratchetId: this.#ratchetId,
      ranges,
      labelsHash: hashLabels(crypto, leafHashes),
    });
  }
  #remember(seq: number, leafHash: Uint8Array): void {
    this.#confirmed.set(seq, leafHash);
    const [oldest] = this.#confirmed.keys();
    if (this.#confirmed.size > CONFIRMED_MAX && oldest !== undefined) this.#confirmed.delete(oldest);
  }
}
