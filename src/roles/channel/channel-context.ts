import type { Crypto } from '../../core/crypto/port.ts';
import type { SealwireError } from '../../core/errors.ts';
import type { Gap } from '../../core/frame/order.ts';
import type { TreeHasher } from '../../core/ledger/merkle.ts';
import { TUNING } from '../../core/limits.ts';
import type { BrokerConnection, Clock, Qos, Signer, VerifierFactory } from '../../core/ports.ts';
import type { RosterView } from '../../core/roster/roster.ts';
import type { LabelSink } from '../label-sink.ts';
import type { Session } from '../session.ts';

/** What happens in channels beside messages. Nothing here needs an answer; all of it is worth a log line. */
export type ChannelEvent =
  /** Something was turned away and changed nothing. */
  | { readonly type: 'refused'; readonly error: SealwireError; readonly where: string }
  /** Messages of one writer that did not come in time; those behind them follow now. */
  | { readonly type: 'gap'; readonly gap: Gap; readonly writer: string; readonly channel: string }
  /** A message came after its writer's expiry and was dropped. */
  | { readonly type: 'expired'; readonly n: number; readonly writer: string }
  /** Frames came before their grant and there is no room to keep more of them. */
  | { readonly type: 'held-full'; readonly writerId: Uint8Array; readonly channel: string }
  /** Where the writers stand could not be written down; it is tried again with the next frame. */
  | { readonly type: 'not-stored'; readonly error: SealwireError }
  /** The writer goes on with a new ratchet. */
  | { readonly type: 'rotated'; readonly channel: string }
  /** A frame that a reader missed was sent to it once more. */
  | { readonly type: 'repaired'; readonly channel: string; readonly seq: number }
  /** Nobody is waited for any more who has not confirmed that frame. */
  | { readonly type: 'unconfirmed'; readonly channel: string; readonly seq: number }
  /** This side leaves, and these readers (ids) have not fetched the keys: they can open what it wrote once it is back. */
  | { readonly type: 'unfetched'; readonly channel: string; readonly readers: readonly Uint8Array[] }
  /** The ledger did not take a label of ours. */
  | { readonly type: 'not-logged'; readonly seq: number; readonly error: SealwireError };

/** Sessions with other members, for what is told to one of them alone. */
export interface ChannelSessions {
  /** The session to send in, where there is one. */
  current(peerId: Uint8Array): Session | undefined;
  /** All that are live. */
  all(): readonly Session[];
  /** That one, or one that is opened now; rejects with `peer-offline` and whatever a handshake gives. */
  open(peerId: Uint8Array): Promise<Session>;
}

/** Tuning of channels; see {@link CHANNEL_TUNING} for what they go by unless told. */
export interface ChannelTuning {
  readonly sendQueueMessagesMax: number;
  /** Frames and bytes that are kept for those who have not confirmed them. */
  readonly windowFramesMax: number;
  readonly windowBytesMax: number;
  /** First pause before a frame is sent again to those who did not confirm it. */
  readonly resendMs: number;
  /** After so long nobody is waited for. */
  readonly unconfirmedMaxMs: number;
  readonly closeTimeoutMs: number;
  readonly receiptDelayMs: number;
  readonly receiptFrames: number;
  /** How long a missing message holds its followers, where missing ones are sent again, and where they are not. */
  readonly gapWaitMs: number;
  readonly unrepairedGapWaitMs: number;
  readonly heldMessagesMax: number;
  readonly heldBytesMax: number;
  /** First pause before a grant that did not come is asked for again. */
  readonly requestPauseMs: number;
}

/** What channels go by unless told. */
export const CHANNEL_TUNING: ChannelTuning = {
  sendQueueMessagesMax: TUNING.sendQueueMessagesMax,
  windowFramesMax: TUNING.brokerWindowFramesMax,
  windowBytesMax: TUNING.windowBytesMax,
  resendMs: TUNING.resendMs,
  unconfirmedMaxMs: TUNING.unconfirmedMaxMs,
  closeTimeoutMs: TUNING.closeTimeoutMs,
  receiptDelayMs: TUNING.receiptDelayMs,
  receiptFrames: TUNING.brokerReceiptFrames,
  gapWaitMs: TUNING.gapWaitMs,
  unrepairedGapWaitMs: 2_000,
  heldMessagesMax: TUNING.heldMessagesMax,
  heldBytesMax: TUNING.heldBytesMax,
  requestPauseMs: 1_000,
};

/** What all of one member's channels at one broker share. */
export interface ChannelContext {
  readonly crypto: Crypto;
  readonly hasher: TreeHasher;
  readonly clock: Clock;
  /** 32 bytes, and the key that signs for it. */
  readonly ownId: Uint8Array;
  readonly signer: Signer;
  readonly verifierOf: VerifierFactory;
  readonly roster: RosterView;
  readonly sessions: ChannelSessions;
  readonly broker: Pick<BrokerConnection, 'publish'>;
  readonly qos: Qos;
  /** Where own labels are logged; null for none. */
  readonly sink: LabelSink | null;
  readonly tuning: ChannelTuning;
  /** Must not throw. */
  readonly onEvent: (event: ChannelEvent) => void;
}
