/** What the pure floors ask of the world. Implementations live in `node/`; tests bring their own. */

/** Time and timers; the only clock the upper floors see. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Milliseconds since a moment that stays the same: for how long things take, since nobody sets it. */
  elapsed(): number;
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
  /** `topic` is the application topic that the unit is about; a carrier without topics takes no notice of it. */
  send(unit: Uint8Array, topic?: string): Promise<void>;
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

/** MQTT's quality of service (MQTT 5.0, section 4.3): of one hop, to or from the broker; never a promise end to end. */
export type Qos = 0 | 1 | 2;

/** What a subscriber gets from a broker. Nothing of it is believed. */
export interface Publication {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** The broker kept it from before the subscription. */
  readonly retained: boolean;
}

/** Takes a publication in. The broker is told that it arrived once this is done, and is held back until then. */
export type TakePublication = (publication: Publication) => Eventually<void>;

/** How something is published. */
export interface PublishOptions {
  readonly qos: Qos;
  /** The broker keeps it for whoever subscribes later; false unless told. */
  readonly retain?: boolean;
  /**
   * Asked once, when it is about to leave for the first time; where this says false it is dropped, and is nobody's care
   * any more. Must not throw.
   */
  readonly mayLeave?: () => boolean;
}

/** A subscription as the broker granted it. */
export interface Subscription {
  /** May be lower than what was asked for. */
  readonly qos: Qos;
  /** Idempotent, never rejects. */
  unsubscribe(): Promise<void>;
}

/**
 * One client's line to a broker that need not be trusted. It outlives single network connections: a lost one is made
 * again, with its subscriptions, until `close`.
 *
 * - `publish` resolves when there is room for more (back pressure), in the order of the calls. The payload belongs to
 *   the line from then on. At QoS 1 and 2 it is sent again over later connections until the broker has taken it; at
 *   QoS 0 it is dropped where there is no connection. Rejects with `topic-invalid`, `too-large`, or `session-closed`
 *   after `close`.
 * - `subscribe` resolves once the broker has granted it; rejects with `topic-invalid`, `broker-refused`,
 *   `session-closed`. `take` is never called twice at a time for one line and must not throw; publications that match
 *   several subscriptions of one line are given to each.
 * - `close` lets the broker take what was published, a bounded time long, and says goodbye; idempotent, never rejects.
 */
export interface BrokerConnection extends AsyncDisposable {
  /** Where the broker is, for people: `mqtt://127.0.0.1:1883`. */
  readonly remote: string;
  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<void>;
  subscribe(filter: string, qos: Qos, take: TakePublication): Promise<Subscription>;
  close(): Promise<void>;
}
