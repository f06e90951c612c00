import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { SKIP_MAX } from '../limits.ts';
import { messageKeyOf, nextChainKey } from './keys.ts';
import type { RatchetPosition } from './sending.ts';

/** A key that was looked up, with the step it would mean for the ratchet: nothing changes before `commit`. */
export interface KeyCandidate {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /**
   * Marks the seq as used and moves the ratchet on. Call it once, after every check has passed. Throws `replayed` where
   * another candidate for this seq was committed meanwhile.
   */
  commit(): void;
}

/**
 * A reader's view of one sender's ratchet, and its replay window: a seq is fresh if it lies ahead or if its key is
 * among those that were skipped; every other one has been used (or has been given up) and is `replayed`.
 */
export class ReceivingRatchet {
  readonly ratchetId: Uint8Array;
  readonly #crypto: Crypto;
  readonly #skippedMax: number;
  readonly #skipped = new Map<number, Uint8Array>();
  #seq: number;
  #chainKey: Uint8Array;
  #erased = false;

  constructor(crypto: Crypto, start: RatchetPosition, skippedMax: number = SKIP_MAX) {
    this.#crypto = crypto;
    this.#skippedMax = skippedMax;
    this.ratchetId = start.ratchetId;
    this.#seq = start.seq;
    this.#chainKey = start.chainKey.slice();
  }

  /** The lowest seq that was not yet seen or passed over. */
  get nextSeq(): number {
    return this.#seq;
  }

  /** How many keys are kept for frames that were passed over. */
  get skippedCount(): number {
    return this.#skipped.size;
  }

  /**
   * The key for `seq`; throws `replayed`, `skipped-too-far`, or `session-closed` after {@link erase}. Work is bounded by
   * {@link SKIP_MAX} steps.
   */
  lookUp(seq: number): KeyCandidate {
    if (this.#erased) throw new SealwireError('session-closed', 'The keys of this ratchet are gone.');
    if (seq < this.#seq) return this.#lookUpSkipped(seq);
    if (seq - this.#seq > SKIP_MAX) {
      throw new SealwireError('skipped-too-far', `A frame jumps from seq ${this.#seq} to ${seq}, over ${SKIP_MAX}.`);
    }
    const passedOver: [number, Uint8Array][] = [];
    let chainKey = this.#chainKey;
    for (let at = this.#seq; at < seq; at++) {
      passedOver.push([at, messageKeyOf(this.#crypto, chainKey)]);
      chainKey = nextChainKey(this.#crypto, chainKey);
    }
    const key = messageKeyOf(this.#crypto, chainKey);
    return { key, commit: () => this.#advance(seq, chainKey, passedOver) };
  }

  /** Forgets every key. */
  erase(): void {
    this.#erased = true;
    this.#chainKey.fill(0);
    for (const key of this.#skipped.values()) key.fill(0);
    this.#skipped.clear();
  }

  #lookUpSkipped(seq: number): KeyCandidate {
    const key = this.#skipped.get(seq);
    if (!key) throw replayed(seq);
    return { key, commit: () => this.#useSkipped(seq) };
  }

  #useSkipped(seq: number): void {
    if (!this.#skipped.delete(seq)) throw replayed(seq);
  }

  #advance(seq: number, chainKey: Uint8Array, passedOver: readonly [number, Uint8Array][]): void {
    // Another candidate may have been committed since this one was looked up.
    if (seq < this.#seq) {
      this.#useSkipped(seq);
      return;
    }
    for (const [at, key] of passedOver) if (at >= this.#seq) this.#skipped.set(at, key);
    const next = nextChainKey(this.#crypto, chainKey);
    this.#chainKey.fill(0);
    this.#chainKey = next;
    this.#seq = seq + 1;
    for (const oldest of this.#skipped.keys()) {
      if (this.#skipped.size <= this.#skippedMax) break;
      this.#skipped.delete(oldest);
    }
  }
}

function replayed(seq: number): SealwireError {
  return new SealwireError('replayed', `The frame with seq ${seq} has been here before.`);
}
