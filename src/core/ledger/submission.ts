import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { SealwireError } from '../errors.ts';
import type { Eventually } from '../ports.ts';

/** Content type of a message to a notary: its payload is one label, to be logged. */
export const SUBMISSION_TYPE = 'application/sealwire-label';
/** Content type of the notary's answer, in frames of kind ledger-receipt. */
export const ANSWER_TYPE = 'application/sealwire-logged';

/** Reasons for which a notary turns a label away; anything else is told as `not-admitted`. */
export const REFUSALS = ['not-admitted', 'conflict', 'overloaded'] as const;

/** One of {@link REFUSALS}. */
export type RefusalCode = (typeof REFUSALS)[number];

/** What a notary says about one label, which it names by its leaf hash (32 bytes). */
export type SubmissionAnswer =
  | { readonly leafHash: Uint8Array; readonly receipt: Uint8Array; readonly refusal: null }
  | { readonly leafHash: Uint8Array; readonly receipt: null; readonly refusal: RefusalCode };

/** Encodes an answer: `[leaf hash, receipt]`, or `[leaf hash, reason]`. */
export function encodeAnswer(answer: SubmissionAnswer): Uint8Array {
  return encodeCbor([answer.leafHash, answer.receipt ?? answer.refusal]);
}

/** Reads an answer; throws `malformed`. The receipt in it is not checked. */
export function decodeAnswer(payload: Uint8Array): SubmissionAnswer {
  const fields = decodeCbor(payload);
  const [leafHash, outcome, ...rest] = Array.isArray(fields) ? (fields as CborValue[]) : [];
  if (!(leafHash instanceof Uint8Array) || leafHash.length !== 32 || rest.length > 0) throw malformed();
  if (outcome instanceof Uint8Array) return { leafHash, receipt: outcome, refusal: null };
  const refusal = REFUSALS.find((code) => code === outcome);
  if (!refusal) throw malformed();
  return { leafHash, receipt: null, refusal };
}

/** A label's place in a ledger. */
export interface LoggedLabel {
  /** Its entry's index, from 0. */
  readonly index: number;
  /** The COSE receipt (RFC 9942) that proves it, encoded; checked before it is handed on. */
  readonly receipt: Uint8Array;
}

/** Where a sender keeps the receipts for its labels. */
export interface ReceiptStore {
  /** Resolves once the receipt is durable; the same one may come twice. */
  keep(label: Uint8Array, logged: LoggedLabel): Eventually<void>;
}

function malformed(): SealwireError {
  return new SealwireError('malformed', "Not a notary's answer: it is no leaf hash with a receipt or a reason.");
}
