/** What the pure floors ask of the world. Implementations live in `node/`; tests bring their own. */

/** Time and timers; the only clock the upper floors see. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Runs `action` once, `delayMs` from now, unless the returned function is called first. */
  after(delayMs: number, action: () => void): () => void;
}

/** A value that is there at once or comes later: keys may sit in this thread, a worker or a chip. */
export type Eventually<T> = T | Promise<T>;

/** Holds a P-256 private key and signs with it: ES256, 64 bytes r ‖ s (RFC 7518, section 3.4). */
export interface Signer {
  /** Uncompressed public point, 65 bytes. */
  readonly publicKey: Uint8Array;
  sign(toBeSigned: Uint8Array): Eventually<Uint8Array>;
}

/** Checks ES256 signatures of one public key. False for any signature that does not hold; never throws for one. */
export interface Verifier {
  verify(toBeVerified: Uint8Array, signature: Uint8Array): Eventually<boolean>;
}

/** Makes a {@link Verifier} of an uncompressed P-256 point (65 bytes); throws `key-invalid` for a point off the curve. */
export type VerifierFactory = (publicKey: Uint8Array) => Verifier;

/**
 * A duplex, ordered carrier of whole byte strings between two ends that need not trust it.
 *
 * Contract: `send` resolves once the bytes may be forgotten by the caller and there is room for more (back pressure),
 * and rejects with `stream-cut` after the far end is gone or `timeout` when it takes nothing for too long.
 * `receive` yields each unit once, ends when the far end closes cleanly between units, and throws `stream-cut` for a
 * half unit, `too-large` for one over the bound, `timeout` for one that never ends. It buffers a bounded amount.
 * `close` is idempotent and ends `receive`.
 */
export interface Connection extends AsyncDisposable {
  /** Where the far end is, for people: `tcp://127.0.0.1:7700`. */
  readonly remote: string;
  send(unit: Uint8Array): Promise<void>;
  receive(): AsyncIterableIterator<Uint8Array>;
  close(): Promise<void>;
}

/** Accepts connections until it is closed; `address` is where others reach it, with the real port filled in. */
export interface Listener extends AsyncDisposable {
  readonly address: string;
  accept(): AsyncIterableIterator<Connection>;
  close(): Promise<void>;
}
