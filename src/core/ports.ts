/** What the pure floors ask of the world. Implementations live in `node/`; tests bring their own. */

/** Time and timers; the only clock the upper floors see. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Runs `action` once, `delayMs` from now, unless the returned function is called first. */
  after(delayMs: number, action: () => void): () => void;
  /** Resolves when the loop has turned: whatever had arrived by now has been handled. */
  turn(): Promise<void>;
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
 * A duplex, ordered carrier of whole byte strings ("units") between two ends that need not trust it. What travels is
 * neither secret nor genuine: those who use it seal and check. One suite of tests holds every implementation to this.
 *
 * - A unit has at least 1 byte and at most the connection's bound, which both ends must have alike.
 * - `send` resolves once the unit's bytes may be changed by the caller and there is room for more (back pressure).
 *   Units leave in the order of the calls, awaited or not; what is not awaited is kept in memory.
 *   It rejects with `too-large` or `malformed` (empty) without harm to the connection, with `stream-cut` after the far
 *   end is gone, `timeout` when that takes nothing for too long, `session-closed` after `close` here.
 * - `receive` yields each unit once, in order. It is meant for one reader at a time: leaving the loop does not close,
 *   and the next `receive` goes on with the next unit. It ends when the far end closes between units, which anyone in
 *   the middle can feign; an authenticated end is the session's. It throws `stream-cut` for a half unit or a broken
 *   line, `too-large` for a unit over the bound, `malformed` for an empty one, `timeout` for one begun and not
 *   finished, each after all whole units before it, and again when called again; the connection is closed by then.
 * - A reader that takes nothing makes the far end's `send` wait. The amount buffered here is bounded whatever arrives.
 * - `close` says goodbye after what was sent, drops what was not received, ends `receive`, and resolves when the line
 *   is down, which a silent far end delays for a bounded time only. It is idempotent and never rejects.
 */
export interface Connection extends AsyncDisposable {
  /** Where the far end is, for people: `tcp://127.0.0.1:7700`. */
  readonly remote: string;
  send(unit: Uint8Array): Promise<void>;
  receive(): AsyncIterableIterator<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Accepts connections until it is closed; `address` is where others reach it, with the real port filled in.
 * Those over a bound in number are turned away, and those that nobody has taken are closed with the listener;
 * connections that `accept` has yielded live on.
 */
export interface Listener extends AsyncDisposable {
  readonly address: string;
  accept(): AsyncIterableIterator<Connection>;
  /** Idempotent, never rejects. */
  close(): Promise<void>;
}
