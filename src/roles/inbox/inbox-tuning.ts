import { TUNING } from '../../core/limits.ts';
import type { RateBounds } from './token-bucket.ts';

/** What handshakes over inboxes go by; every bound is on what anybody can send who can publish. */
export interface InboxTuning {
  /** Handshakes that others began and have not finished; the oldest makes room for the newest. */
  readonly halfOpenMax: number;
  /** The same of one claimed sender. */
  readonly halfOpenPerSenderMax: number;
  /** The first pause before a message is sent again; each next one is half as long again. */
  readonly resendFirstMs: number;
  /** The longest such pause. */
  readonly resendMaxMs: number;
  /** Between two copies of one stored answer: whoever sends duplicates gets no more than this gives. */
  readonly replyPauseMs: number;
  /** Finished handshakes whose last message is kept for duplicates, and for how long. */
  readonly answeredMax: number;
  readonly answeredKeepMs: number;
  /** New handshakes that are answered, from everybody: each costs an ECDH and a signature. */
  readonly beginnings: RateBounds;
  /** The same from one claimed sender. */
  readonly beginningsPerSender: RateBounds;
  /** Peers that have proven who they are and are not held to what strangers may take together. */
  readonly provenMax: number;
  /** What claims to be the answer to one message_1: each costs an ECDH and verifying a signature or more. */
  readonly answers: RateBounds;
}

/**
 * The defaults. Rates and tables belong together: whatever strangers flood, a half-open handshake lives for a second,
 * (64 − 32) / 32 or (4 − 2) / 2, and a round trip through a broker is shorter.
 */
export const INBOX_TUNING: InboxTuning = {
  halfOpenMax: TUNING.halfOpenMax,
  halfOpenPerSenderMax: 4,
  resendFirstMs: 400,
  resendMaxMs: 2_000,
  replyPauseMs: 200,
  answeredMax: 512,
  answeredKeepMs: 2 * TUNING.handshakeTimeoutMs,
  beginnings: { burst: 32, perSecond: 32 },
  beginningsPerSender: { burst: 2, perSecond: 2 },
  provenMax: 64,
  answers: { burst: 8, perSecond: 8 },
};
