/**
 * What a signed structure is. One key signs many things, so every verifier demands the exact kind: the first element
 * of header parameter −65537. The numbers are wire format; never reuse one.
 */
export const KIND = {
  message: 1,
  end: 2,
  grant: 3,
  grantAck: 4,
  grantRequest: 5,
  deliveryReceipt: 6,
  cannotOpen: 7,
  roster: 8,
  ledgerReceipt: 9,
  ledgerHead: 10,
  /** What a notary's ledger holds beside labels: its own statements, and rosters as their authority signed them. */
  policy: 16,
  identity: 17,
  conflict: 18,
  erasure: 19,
  anchor: 20,
  signedRoster: 21,
  /** A ledger's block header. */
  block: 32,
} as const;

/** One of the numbers in {@link KIND}. */
export type Kind = (typeof KIND)[keyof typeof KIND];

/** The kind's word in the specification, as `ledger show` and errors print it. */
export function kindName(kind: number): string {
  const found = Object.entries(KIND).find(([, number]) => number === kind);
  return found ? found[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) : `kind ${kind}`;
}
