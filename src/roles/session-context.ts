import type { Crypto } from '../core/crypto/port.ts';
import type { TreeHasher } from '../core/ledger/merkle.ts';
import { TUNING } from '../core/limits.ts';
import type { Clock, Connection, Signer, Verifier } from '../core/ports.ts';
import type { ControlHandler } from './control.ts';
import type { InboxEvent, StoredArrival } from './delivery/message-inbox.ts';
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
  readonly heldBytesMax: number;
  readonly windowFramesMax: number;
  readonly windowBytesMax: number;
  readonly gapWaitMs: number;
  readonly receiptDelayMs: number;
  readonly receiptFrames: number;
  readonly closeTimeoutMs: number;
  /** First pause before a frame that nobody confirmed is sent again; null over carriers that lose nothing. */
  readonly resendMs: number | null;
  /** After so long without a single confirmation of what was sent the peer is taken to be gone. */
  readonly unconfirmedMaxMs: number;
  /** False where losses are only reported, as quality of service 0 has it. */
  readonly repair: boolean;
}

/** Where messages of the peer's outbox go. */
export interface StoredIntake {
  /** Resolves when there is room for more. */
  room(): Promise<void>;
  /** Resolves once messages of one stream are taken in and may be confirmed; rejects where they were not. */
  take(arrivals: readonly StoredArrival[], onEvent: (event: InboxEvent) => void): Promise<void>;
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
  /** Takes what is not for the application; where there is none, it is taken in and forgotten. */
  readonly control: ControlHandler | null;
  /** Where there is none, a session carries its own stream only. */
  readonly intake?: StoredIntake | undefined;
  readonly onEvent: SessionEventListener;
}

/** What a session over a carrier that loses nothing goes by unless told. */
export const SESSION_TUNING: SessionTuning = {
  batchMax: TUNING.batchMax,
  sendQueueMessagesMax: TUNING.sendQueueMessagesMax,
  receiveQueueMessagesMax: TUNING.receiveQueueMessagesMax,
  receiveQueueBytesMax: TUNING.receiveQueueBytesMax,
  heldMessagesMax: TUNING.heldMessagesMax,
  heldBytesMax: TUNING.heldBytesMax,
  windowFramesMax: TUNING.windowFramesMax,
  windowBytesMax: TUNING.windowBytesMax,
  gapWaitMs: TUNING.gapWaitMs,
  receiptDelayMs: TUNING.receiptDelayMs,
  receiptFrames: TUNING.receiptFrames,
  closeTimeoutMs: TUNING.closeTimeoutMs,
  resendMs: null,
  unconfirmedMaxMs: TUNING.unconfirmedMaxMs,
  repair: true,
};
