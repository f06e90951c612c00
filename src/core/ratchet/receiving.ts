import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { SKIP_MAX } from '../limits.ts';
import { messageKeyOf, nextChainKey } from './keys.ts';
import type { RatchetPosition } from './sending.ts';
import { SkippedKeys } from './skipped-keys.ts';

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
  readonly #skipped: SkippedKeys;
  #seq: number;
  #chainKey: Uint8Array;
  #erased = false;

  /** Ratchets that are given the same `skipped` share one bound on what they keep for frames that were passed over. */
  constructor(crypto: Crypto, start: RatchetPosition, skipped: SkippedKeys = new SkippedKeys(SKIP_MAX)) {
    this.#crypto = crypto;
    this.#skipped = skipped;
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
    return this.#skipped.count(this);
  }

  /**
   * The key for `seq`; throws `replayed`, `skipped-too-far`, or `session-closed` after {@link erase}. Work is bounded by
   * {@link SKIP_MAX} steps.
   */
  lookUp(seq: number): KeyCandidate {
    if (this.#erased) throw erased();
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
    this.#skipped.forget(this);
  }

  /**
   * Goes on from a later place, whose key somebody gave; whatever lies between can be opened no more. False where this
   * ratchet is past it already, or gets there by itself: frames that are under way meanwhile are not to be lost.
   */
  moveTo({ seq, chainKey }: RatchetPosition): boolean {
    if (this.#erased || seq - this.#seq <= SKIP_MAX) return false;
    this.#chainKey.fill(0);
    this.#chainKey = chainKey.slice();
    this.#seq = seq;
    return true;
  }

  /** Everything that {@link ReceivingRatchet.restore} takes; it holds keys. Throws `session-closed` after {@link erase}. */
  save(): Uint8Array {
    if (this.#erased) throw erased();
    const skipped = this.#skipped.of(this).map(([seq, key]): CborValue => [seq, key]);
    return encodeCbor([this.ratchetId, this.#seq, this.#chainKey, skipped]);
  }

  /** The ratchet as it was saved; throws `malformed`. */
  static restore(crypto: Crypto, saved: Uint8Array, skipped?: SkippedKeys): ReceivingRatchet {
    const fields = decodeCbor(saved);
    if (!Array.isArray(fields) || fields.length !== 4) throw notSaved();
    const [ratchetId, seq, chainKey, keys] = fields as CborValue[];
    if (!isBytes(ratchetId, 16) || !isSeq(seq) || !isBytes(chainKey, 32) || !Array.isArray(keys)) throw notSaved();
    const ratchet = new ReceivingRatchet(crypto, { ratchetId: ratchetId.slice(), seq, chainKey }, skipped);
    for (const pair of keys as CborValue[]) {
      if (!Array.isArray(pair) || pair.length !== 2) throw notSaved();
      const [at, key] = pair as CborValue[];
      if (!isSeq(at) || at >= seq || !isBytes(key, 32)) throw notSaved();
      ratchet.#skipped.keep(ratchet, at, key.slice());
    }
    return ratchet;
  }

  #lookUpSkipped(seq: number): KeyCandidate {
    const key = this.#skipped.get(this, seq);
    if (!key) throw replayed(seq);
    return { key, commit: () => this.#useSkipped(seq) };
  }

  #useSkipped(seq: number): void {
    if (!this.#skipped.use(this, seq)) throw replayed(seq);
  }

  #advance(seq: number, chainKey: Uint8Array, passedOver: readonly [number, Uint8Array][]): void {
    // Another candidate may have been committed since this one was looked up.
    if (seq < this.#seq) {
      this.#useSkipped(seq);
      return;
    }
    for (const [at, key] of passedOver) if (at >= this.#seq) this.#skipped.keep(this, at, key);
    const next = nextChainKey(this.#crypto, chainKey);
    this.#chainKey.fill(0);
    this.#chainKey = next;
    this.#seq = seq + 1;
  }
}

function isBytes(value: CborValue | undefined, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function isSeq(value: CborValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function erased(): SealwireError {
  return new SealwireError('session-closed', 'The keys of this ratchet are gone.');
}

function notSaved(): SealwireError {
  return new SealwireError('malformed', 'Not a ratchet as it is saved.');
}

function replayed(seq: number): SealwireError {
  return new SealwireError('replayed', `The frame with seq ${seq} has been here before.`);
}
