import type { SealwireError } from '../core/errors.ts';
import type { Gap } from '../core/frame/order.ts';

/** What happens in a session beside messages. Nothing here needs an answer; all of it is worth a log line. */
export type SessionEvent =
  /** A unit was turned away and changed nothing; `error.code` says why. */
  | { readonly type: 'refused'; readonly error: SealwireError }
  /** Messages that did not come in time, or were never sent; those behind them follow now. */
  | { readonly type: 'gap'; readonly gap: Gap }
  /** A message came after its sender's expiry and was dropped. */
  | { readonly type: 'expired'; readonly n: number }
  /** The peer's delivery receipt covers this many more of our frames. */
  | { readonly type: 'confirmed'; readonly frames: number }
  /** A frame that the peer missed was sent once more, byte for byte. */
  | { readonly type: 'repaired'; readonly seq: number }
  /** A frame got lost and is not sent again, as quality of service 0 has it. */
  | { readonly type: 'lost'; readonly seq: number }
  /** The ledger did not take a label of ours. */
  | { readonly type: 'not-logged'; readonly seq: number; readonly error: SealwireError };

/** Takes events as they happen; must not throw. */
export type SessionEventListener = (event: SessionEvent) => void;
