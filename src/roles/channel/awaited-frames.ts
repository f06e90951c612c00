import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import type { Crypto } from '../../core/crypto/port.ts';
import { SealwireError } from '../../core/errors.ts';
import { type DeliveryReceipt, hashLabels, seqsOf } from '../../core/frame/receipt.ts';
import type { PendingMessage } from '../send-queue.ts';

/** A frame that was published and that readers are to confirm. */
export interface AwaitedFrame {
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** 32 bytes: what a receipt names the label by. */
  readonly leafHash: Uint8Array;
  /** Ids in hex of the readers that have not confirmed it; null where the first one to do so is enough. */
  readonly missing: Set<string> | null;
  /** Those whose senders wait for the readers; without any, nobody minds that it is given up. */
  readonly messages: Set<PendingMessage>;
  readonly publishedAtMs: number;
  sentAtMs: number;
  tries: number;
}

/** Label hashes of settled frames that are remembered: other readers' receipts, and lost ones, come later. */
const SETTLED_MAX = 4096;

/** What one writer has published in a channel and waits for readers to confirm, oldest first. */
export class AwaitedFrames {
  readonly #frames = new Map<string, AwaitedFrame>();
  readonly #settled = new Map<string, Uint8Array>();
  readonly #frameOf = new WeakMap<PendingMessage['done'], { frame: AwaitedFrame; message: PendingMessage }>();
  #bytes = 0;
  #change: PromiseWithResolvers<void> | undefined;

  get size(): number {
    return this.#frames.size;
  }

  /** Bytes of all frames together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Oldest first. */
  all(): IterableIterator<AwaitedFrame> {
    return this.#frames.values();
  }

  /** The oldest that no sender waits for. */
  unwanted(): AwaitedFrame | undefined {
    for (const frame of this.all()) if (frame.messages.size === 0) return frame;
    return undefined;
  }

  add(frame: AwaitedFrame): void {
    this.#frames.set(keyOf(frame.ratchetId, frame.seq), frame);
    this.#bytes += frame.bytes.length;
    for (const message of frame.messages) this.#frameOf.set(message.done, { frame, message });
  }

  /** A message’s sender waits no longer; its frame is sent again to those who are missing all the same. */
  abandon(done: PendingMessage['done']): void {
    const found = this.#frameOf.get(done);
    if (!found?.frame.messages.delete(found.message)) return;
    if (found.frame.messages.size === 0) this.#changed();
  }

  /** A frame that nobody is asked to confirm: its receipts come all the same. */
  addSettled(ratchetId: Uint8Array, seq: number, leafHash: Uint8Array): void {
    this.#settled.set(keyOf(ratchetId, seq), leafHash);
    const [oldest] = this.#settled.keys();
    if (this.#settled.size > SETTLED_MAX && oldest !== undefined) this.#settled.delete(oldest);
  }

  /**
   * Takes one reader's word; gives the frames that are confirmed by all who have to by now. Throws `malformed` where it
   * names a frame that never left, or left too long ago, or other labels than ours, and then changes nothing.
   */
  confirm(crypto: Crypto, readerId: Uint8Array, receipt: DeliveryReceipt): AwaitedFrame[] {
    const leafHashes: Uint8Array[] = [];
    const named: AwaitedFrame[] = [];
    for (const seq of seqsOf(receipt.ranges)) {
      const key = keyOf(receipt.ratchetId, seq);
      const frame = this.#frames.get(key);
      const leafHash = frame?.leafHash ?? this.#settled.get(key);
      if (!leafHash)
        throw new SealwireError('malformed', `A delivery receipt names seq ${seq}, which is not under way.`);
      leafHashes.push(leafHash);
      if (frame) named.push(frame);
    }
    if (!equalBytes(hashLabels(crypto, leafHashes), receipt.labelsHash)) {
      throw new SealwireError('malformed', 'A delivery receipt is about other labels than those that were sent.');
    }
    const reader = bytesToHex(readerId);
    return named.filter((frame) => this.#isSettledBy(frame, reader));
  }

  /** That reader is not waited for any more; gives the frames that only it had not confirmed. */
  forget(readerId: Uint8Array): AwaitedFrame[] {
    const reader = bytesToHex(readerId);
    const waiting = [...this.#frames.values()].filter(({ missing }) => missing?.has(reader));
    return waiting.filter((frame) => this.#isSettledBy(frame, reader));
  }

  /** Nobody is waited for any more who has not confirmed it. */
  giveUp(frame: AwaitedFrame): void {
    this.#settle(frame);
  }

  /** Resolves when something was confirmed, given up or abandoned; at once where nothing is awaited. */
  async changed(): Promise<void> {
    if (this.#frames.size === 0) return;
    this.#change ??= Promise.withResolvers();
    await this.#change.promise;
  }

  #isSettledBy(frame: AwaitedFrame, reader: string): boolean {
    frame.missing?.delete(reader);
    if (frame.missing && frame.missing.size > 0) return false;
    this.#settle(frame);
    return true;
  }

  #settle({ ratchetId, seq, bytes, leafHash }: AwaitedFrame): void {
    if (!this.#frames.delete(keyOf(ratchetId, seq))) return;
    this.#bytes -= bytes.length;
    this.addSettled(ratchetId, seq, leafHash);
    this.#changed();
  }

  #changed(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }
}

function keyOf(ratchetId: Uint8Array, seq: number): string {
  return `${bytesToHex(ratchetId)}:${seq}`;
}
