import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { messageKeyOf, nextChainKey } from './keys.ts';

/** A place in a ratchet: whoever holds it can open every frame from `seq` on, and none before. */
export interface RatchetPosition {
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  readonly seq: number;
  /** 32 bytes. */
  readonly chainKey: Uint8Array;
}

/** One frame's key and its place. */
export interface MessageKey {
  readonly seq: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** A sender's ratchet. It gives each key once and forgets what led to it. */
export class SendingRatchet {
  readonly ratchetId: Uint8Array;
  readonly #crypto: Crypto;
  #seq: number;
  #chainKey: Uint8Array;
  #erased = false;

  constructor(crypto: Crypto, start: RatchetPosition) {
    this.#crypto = crypto;
    this.ratchetId = start.ratchetId;
    this.#seq = start.seq;
    this.#chainKey = start.chainKey.slice();
  }

  /** The seq that the next frame will have. */
  get nextSeq(): number {
    return this.#seq;
  }

  /** Takes the next key; it is never given again. Throws `session-closed` after {@link erase}. */
  take(): MessageKey {
    // What is left of an erased ratchet is a key of zeros, which everybody knows.
    if (this.#erased) throw new SealwireError('session-closed', 'The keys of this ratchet are gone.');
    const spent = this.#chainKey;
    const taken = { seq: this.#seq, key: messageKeyOf(this.#crypto, spent) };
    this.#chainKey = nextChainKey(this.#crypto, spent);
    this.#seq += 1;
    spent.fill(0);
    return taken;
  }

  /** Where it stands, with a copy of its key: whoever gets that opens every frame from here on. */
  position(): RatchetPosition {
    return { ratchetId: this.ratchetId, seq: this.#seq, chainKey: this.#chainKey.slice() };
  }

  /** Forgets the ratchet: no frame can follow. */
  erase(): void {
    this.#erased = true;
    this.#chainKey.fill(0);
  }
}
