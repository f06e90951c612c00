import type { HeadClaim } from '../core/frame/label.ts';
import type { LoggedLabel } from '../core/ledger/submission.ts';

/** Where a session's labels go to be logged. */
export interface LabelSink {
  /** The newest ledger head that was verified; labels carry it. Null before the first. */
  readonly head: HeadClaim | null;
  /** Resolves with the checked receipt; rejects with `not-admitted`, `conflict` or `not-logged`. */
  submit(label: Uint8Array): Promise<LoggedLabel>;
}
