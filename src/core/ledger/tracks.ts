import { bytesToHex, equalBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import type { RatchetEnd } from '../frame/end.ts';
import { type DeliveryReceipt, hashLabels, seqsOf } from '../frame/receipt.ts';
import { HASH_BYTES } from './merkle.ts';
import type { Position } from './store.ts';
import type { Gap, ReceiptProblem } from './verify-report.ts';

interface Track {
  readonly senderId: Uint8Array;
  readonly ratchetId: Uint8Array;
  /** By seq, the entry's index. */
  readonly entries: Map<number, number>;
  end: RatchetEnd | null;
}

interface WaitingReceipt {
  readonly entry: number;
  readonly readerId: Uint8Array;
  readonly receipt: DeliveryReceipt;
}

/** Leaf hashes in one byte string: a hundred million small arrays would not fit. */
export class LeafList {
  readonly #firstIndex: number;
  #bytes: Uint8Array = new Uint8Array(1024 * HASH_BYTES);
  #count = 0;

  constructor(firstIndex: number) {
    this.#firstIndex = firstIndex;
  }

  /** Takes the next leaf hash. */
  push(leaf: Uint8Array): void {
    const at = this.#count * HASH_BYTES;
    if (at === this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(leaf, at);
    this.#count += 1;
  }

  /** The leaf hash of an entry that was taken, else null. */
  at(index: number): Uint8Array | null {
    const place = index - this.#firstIndex;
    if (place < 0 || place >= this.#count) return null;
    return this.#bytes.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES);
  }
}

/** Follows every sender's ratchets through the ledger: what repeats, what is missing, what was confirmed. */
export class Tracks {
  readonly #crypto: Crypto;
  readonly #leaves: LeafList;
  readonly #tracks = new Map<string, Track>();
  readonly #waiting: WaitingReceipt[] = [];

  constructor(crypto: Crypto, leaves: LeafList) {
    this.#crypto = crypto;
    this.#leaves = leaves;
  }

  /** The entry at a place, or null. */
  at({ senderId, ratchetId, seq }: Position): number | null {
    return this.#tracks.get(keyOf(senderId, ratchetId))?.entries.get(seq) ?? null;
  }

  /** Notes that an entry takes a place. */
  take({ senderId, ratchetId, seq }: Position, entry: number): void {
    this.#track(senderId, ratchetId).entries.set(seq, entry);
  }

  /** Notes that a ratchet is over. */
  end({ senderId, ratchetId }: Position, end: RatchetEnd): void {
    this.#track(senderId, ratchetId).end = end;
  }

  /** Judges a delivery receipt now, or later where labels that it confirms are still to come. */
  receipt(entry: number, readerId: Uint8Array, receipt: DeliveryReceipt): ReceiptProblem | null {
    const held = this.#holds(receipt);
    if (held === null) this.#waiting.push({ entry, readerId, receipt });
    return held === false ? { entry, readerId, problem: 'mismatch' } : null;
  }

  /** What is left of the delivery receipts after the last entry. */
  *lateReceipts(): Generator<ReceiptProblem> {
    for (const { entry, readerId, receipt } of this.#waiting) {
      const held = this.#holds(receipt);
      if (held !== true) yield { entry, readerId, problem: held === null ? 'not-logged' : 'mismatch' };
    }
  }

  /** Places that were used up and hold nothing; `fromStart` false where earlier entries were not read. */
  *gaps(fromStart: boolean): Generator<Gap> {
    for (const { senderId, ratchetId, entries, end } of this.#tracks.values()) {
      const seqs = Array.from(new Set([...entries.keys(), ...(end?.voids ?? [])])).sort((a, b) => a - b);
      let next = fromStart ? 0 : (seqs[0] ?? 0);
      for (const seq of seqs) {
        if (seq > next) yield { senderId, ratchetId, firstSeq: next, lastSeq: seq - 1 };
        next = seq + 1;
      }
    }
  }

  /** Null where a label is missing. */
  #holds({ senderId, ratchetId, ranges, labelsHash }: DeliveryReceipt): boolean | null {
    const track = this.#tracks.get(keyOf(senderId, ratchetId));
    if (!track) return null;
    const leaves: Uint8Array[] = [];
    for (const seq of seqsOf(ranges)) {
      const index = track.entries.get(seq);
      const leaf = index === undefined ? null : this.#leaves.at(index);
      if (!leaf) return null;
      leaves.push(leaf);
    }
    return equalBytes(hashLabels(this.#crypto, leaves), labelsHash);
  }

  #track(senderId: Uint8Array, ratchetId: Uint8Array): Track {
    const key = keyOf(senderId, ratchetId);
    let track = this.#tracks.get(key);
    if (!track) {
      track = { senderId, ratchetId, entries: new Map(), end: null };
      this.#tracks.set(key, track);
    }
    return track;
  }
}

function keyOf(senderId: Uint8Array, ratchetId: Uint8Array): string {
  return `${bytesToHex(senderId)} ${bytesToHex(ratchetId)}`;
}
