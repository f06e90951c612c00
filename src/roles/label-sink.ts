import type { HeadClaim } from '../core/frame/label.ts';

/** A label's place in a ledger. */
export interface LoggedLabel {
  /** Its entry's index, from 0. */
  readonly index: number;
  /** The COSE receipt (RFC 9942) that proves it, encoded; checked before it is handed on. */
  readonly receipt: Uint8Array;
}

/** Where a session's labels go to be logged. */
export interface LabelSink {
  /** The newest ledger head that was verified; labels carry it. Null before the first. */
  readonly head: HeadClaim | null;
  /** Resolves with the checked receipt; rejects with `not-admitted`, `conflict` or `not-logged`. */
  submit(label: Uint8Array): Promise<LoggedLabel>;
}
