import type { Crypto } from '../core/crypto/port.ts';
import type { TreeHasher } from '../core/ledger/merkle.ts';
import type { Clock, Connection, Signer, Verifier } from '../core/ports.ts';
import type { LabelSink } from './label-sink.ts';
import type { SessionEventListener } from './session-events.ts';

/** Tuning of one session; see `TUNING` in core/limits for the defaults. */
export interface SessionTuning {
  /** Messages in one frame at most. */
  readonly batchMax: number;
  readonly sendQueueMessagesMax: number;
  readonly receiveQueueMessagesMax: number;
  readonly receiveQueueBytesMax: number;
  readonly heldMessagesMax: number;
  readonly windowFramesMax: number;
  readonly windowBytesMax: number;
  readonly gapWaitMs: number;
  readonly receiptDelayMs: number;
  readonly receiptFrames: number;
  readonly closeTimeoutMs: number;
}

/** What both halves of a session share. */
export interface SessionContext {
  readonly crypto: Crypto;
  readonly hasher: TreeHasher;
  readonly clock: Clock;
  readonly connection: Connection;
  /** What the connection receives, from where the handshake left off. */
  readonly units: AsyncIterable<Uint8Array>;
  /** Own id, 32 bytes, and the key that signs for it. */
  readonly ownId: Uint8Array;
  readonly signer: Signer;
  /** The peer's id, 32 bytes, and what checks its signatures. */
  readonly peerId: Uint8Array;
  readonly verifier: Verifier;
  /** Where own labels are logged; null for none. */
  readonly sink: LabelSink | null;
  readonly tuning: SessionTuning;
  readonly onEvent: SessionEventListener;
}
