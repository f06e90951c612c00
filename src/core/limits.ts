/**
 * The protocol's constants, which every implementation shares, and the bounds that this one sets for itself.
 * Units last in names.
 */

/** Protocol version in labels and exporter contexts. */
export const PROTOCOL_VERSION = 1;

/** A frame on any transport: what the tightest of hosted MQTT brokers takes. */
export const FRAME_BYTES_MAX: number = 128 * 1024;
/** Room that a frame's label and framing may take from {@link FRAME_BYTES_MAX}. */
export const LABEL_BYTES_MAX = 2048;
/** What a frame's body may take: the rest is the label's and the framing's. */
export const BODY_BYTES_MAX: number = FRAME_BYTES_MAX - LABEL_BYTES_MAX;
/** A roster, which has to fit one publication. */
export const ROSTER_BYTES_MAX: number = 120 * 1024;
/** An entry of a ledger: a roster is the largest. */
export const ENTRY_BYTES_MAX: number = ROSTER_BYTES_MAX;
/** A handshake message; a chain of a few certificates fits. */
export const HANDSHAKE_BYTES_MAX: number = 16 * 1024;
/** Messages in one frame. */
export const BATCH_MAX = 1024;
/** How far one verified frame may jump ahead of its ratchet. */
export const SKIP_MAX = 2000;
/** A name of a channel, in UTF-8. */
export const CHANNEL_NAME_BYTES_MAX = 64;
/** For so long a writer keeps the keys for a reader that does not come for them. */
export const GRANT_OWED_MAX_MS: number = 24 * 60 * 60 * 1000;
/** Keys that a reader keeps for frames that were passed over in channels, of all writers together. */
export const SKIPPED_KEYS_MAX = 16_384;
/** A ratchet of a channel is followed by a new one after a day or so many frames, or sooner. */
export const ROTATE_AFTER_MS_MAX: number = 24 * 60 * 60 * 1000;
/** See {@link ROTATE_AFTER_MS_MAX}. */
export const ROTATE_AFTER_FRAMES_MAX: number = 2 ** 20;
/** Nesting of any CBOR item we accept. */
export const CBOR_DEPTH_MAX = 16;

/** Tuning, not protocol: each may be overridden where it is used. */
export const TUNING = {
  handshakeTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  idleWriteTimeoutMs: 30_000,
  closeTimeoutMs: 5_000,
  /** How long a unit that has begun to arrive may take to its end. */
  unitTimeoutMs: 15_000,
  /** Whole units that a connection holds for a slow reader before it stops reading. */
  receiveBufferBytesMax: 262_144,
  /** Connections a listener has open at once. */
  connectionsMax: 256,
  gapWaitMs: 30_000,
  receiptDelayMs: 100,
  receiptFrames: 256,
  /** No shorter pause before a frame is sent again: a receipt takes `receiptDelayMs` and the way back. */
  resendMs: 1_000,
  unconfirmedMaxMs: 120_000,
  /** Frames under way through a broker: fewer than the 1,000 after which a default Mosquitto drops. */
  brokerWindowFramesMax: 256,
  /** A quarter of that: the reader confirms before the window is full, so that its sender need not stop and wait. */
  brokerReceiptFrames: 64,
  batchMax: 1024,
  windowFramesMax: 1024,
  windowBytesMax: 8_388_608,
  heldMessagesMax: 4096,
  /** Payloads of messages that wait for one before them. */
  heldBytesMax: 8_388_608,
  sendQueueMessagesMax: 16_384,
  receiveQueueMessagesMax: 16_384,
  /** Payloads that wait for the application. */
  receiveQueueBytesMax: 8_388_608,
  /** What waits in an outbox to be confirmed. */
  outboxMessagesMax: 1_000_000,
  outboxBytesMax: 1_073_741_824,
  /** Messages of an inbox that are with the application. */
  inboxUnacknowledgedMax: 65_536,
  halfOpenMax: 64,
  blockEntriesMax: 1024,
  notaryQueueEntriesMax: 16_384,
} as const;
