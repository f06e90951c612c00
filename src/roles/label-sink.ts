import type { HeadClaim } from '../core/frame/label.ts';
import type { BlockHeader } from '../core/ledger/block.ts';
import type { LoggedLabel } from '../core/ledger/submission.ts';

/** Where a session's labels go to be logged. */
export interface LabelSink {
  /** The newest ledger head that was verified; labels carry it. Null before the first. */
  readonly head: HeadClaim | null;
  /** The newest roster that the notary's blocks name; null where they name none. */
  readonly newestRoster: BlockHeader['roster'];
  /** Resolves with the checked receipt; rejects with `not-admitted`, `conflict` or `not-logged`. */
  submit(label: Uint8Array): Promise<LoggedLabel>;
}
