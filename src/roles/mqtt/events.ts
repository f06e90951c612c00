import type { SealwireError } from '../../core/errors.ts';

/** What a line to a broker tells beside publications. */
export type BrokerEvent =
  /** The network connection is gone; it is made again. */
  | { readonly type: 'lost'; readonly error: SealwireError }
  /** It could not be made again; the next attempt follows after `pauseMs`. */
  | { readonly type: 'still-lost'; readonly error: SealwireError; readonly pauseMs: number }
  | { readonly type: 'reconnected' }
  /** Another client goes by the same id, as far as the broker’s doings show. */
  | { readonly type: 'client-id-taken'; readonly error: SealwireError }
  /** A subscription that had been granted was refused on a later connection; the next connection asks again. */
  | { readonly type: 'subscription-refused'; readonly filter: string; readonly error: SealwireError }
  /** The broker does not take a publication; it is given up. */
  | { readonly type: 'publication-refused'; readonly topic: string; readonly error: SealwireError }
  /** A publication came that is larger than any of ours may be; it was not handed on. */
  | { readonly type: 'publication-ignored'; readonly topic: string; readonly error: SealwireError }
  /** Who takes publications threw, against the contract; the publication counts as taken. */
  | { readonly type: 'take-failed'; readonly topic: string; readonly error: unknown };

/** Takes what a line tells. */
export type OnBrokerEvent = (event: BrokerEvent) => void;
