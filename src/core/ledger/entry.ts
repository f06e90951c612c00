import { type CborValue, decodeCbor } from '../cbor.ts';
import { COSE, decodeProtected, toSign1 } from '../cose.ts';
import { SealwireError } from '../errors.ts';
import { decodeLabel, type Label } from '../frame/label.ts';
import { type DeliveryReceipt, decodeDeliveryReceipt } from '../frame/receipt.ts';
import { KIND } from '../kinds.ts';
import { ENTRY_BYTES_MAX } from '../limits.ts';
import { type Statement, statementFromSign1 } from './statement.ts';

/** What a ledger holds, as it was read: a sender's label, a statement of the notary, or a roster. No signature is checked here. */
export type Entry =
  | { readonly type: 'label'; readonly label: Label }
  | { readonly type: 'statement'; readonly statement: Statement }
  /** A version of the roster, as its authority signed it; see `decodeRoster`. */
  | { readonly type: 'roster'; readonly bytes: Uint8Array };

/** The kinds of labels that a ledger takes. */
const LOGGED_KINDS: ReadonlySet<number> = new Set([
  KIND.message,
  KIND.end,
  KIND.deliveryReceipt,
  // Who gave keys to whom and when; and without them a ratchet would seem to have gaps.
  KIND.grant,
  KIND.grantAck,
  KIND.grantRequest,
  KIND.roster,
]);

/** True for the kinds of labels that belong into a ledger. */
export function isLoggedKind(kind: number): boolean {
  return LOGGED_KINDS.has(kind);
}

/** Decodes an entry strictly; throws `malformed`, `too-large`, `unsupported` or `signature-invalid` (for its form). */
export function decodeEntry(bytes: Uint8Array): Entry {
  const sign1 = toSign1(decodeCbor(bytes, { bytesMax: ENTRY_BYTES_MAX }));
  const kind = kindIn(sign1.protectedBytes);
  if (kind === KIND.signedRoster) return { type: 'roster', bytes };
  if (kind >= KIND.policy) return { type: 'statement', statement: statementFromSign1(sign1) };
  return { type: 'label', label: decodeLabel(bytes) };
}

/** The delivery receipt in a label of that kind, else null; throws `malformed` or `too-large` for one that is none. */
export function receiptInLabel(label: Label): DeliveryReceipt | null {
  return label.kind === KIND.deliveryReceipt ? decodeDeliveryReceipt(label.content) : null;
}

function kindIn(protectedBytes: Uint8Array): number {
  const own = decodeProtected(protectedBytes).get(COSE.sealwire);
  const kind: CborValue | undefined = Array.isArray(own) ? (own as CborValue[])[0] : undefined;
  if (typeof kind !== 'number') throw new SealwireError('malformed', 'Not an entry: it names no kind.');
  return kind;
}
