import type { Checkpoint } from './checkpoint.ts';
import type { LedgerHead } from './store.ts';

/**
 * How much is checked. `full`: every hash and every signature, and what the labels say. `fast`: every hash and the
 * blocks' signatures. `incremental`: as full, from a remembered checkpoint on.
 */
export type VerifyMode = 'full' | 'fast' | 'incremental';

/** The first thing in a ledger that does not hold. */
export interface Broken {
  /** `checkpoint-mismatch` where the ledger may agree with itself but not with what was remembered of it. */
  readonly code: 'ledger-broken' | 'checkpoint-mismatch';
  /** The block's height; null where it is about the ledger as a whole. */
  readonly block: number | null;
  /** The entry's index; null where it is about a block as a whole. */
  readonly entry: number | null;
  /** What does not hold, as the end of a sentence. */
  readonly what: string;
}

/** True where `a` comes first: an entry before what is about its whole block; what a checkpoint says comes last. */
export function isBefore(a: Broken, b: Broken): boolean {
  const rank = ({ block, entry, code }: Broken): number[] => [
    block ?? Number.POSITIVE_INFINITY,
    entry ?? Number.POSITIVE_INFINITY,
    code === 'ledger-broken' ? 0 : 1,
  ];
  const [left, right] = [rank(a), rank(b)];
  const at = left.findIndex((value, i) => value !== right[i]);
  return at !== -1 && (left[at] ?? 0) < (right[at] ?? 0);
}

/** `block 7, entry 412: stored bytes no longer hash to its leaf`. */
export function describeBroken({ block, entry, what }: Broken): string {
  const places = [block === null ? '' : `block ${block}`, entry === null ? '' : `entry ${entry}`].filter(Boolean);
  return places.length > 0 ? `${places.join(', ')}: ${what}` : what;
}

/** A place in a ratchet where the ledger holds no label: its sender used it up, and nobody logged what became of it. */
export interface Gap {
  readonly senderId: Uint8Array;
  readonly ratchetId: Uint8Array;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** A sender signed two labels for one place. */
export interface Conflict {
  /** The entry that says so. */
  readonly entry: number;
  /** The entry with the first of the two labels. */
  readonly about: number;
  readonly senderId: Uint8Array;
}

/** A label claims a head that this ledger never had: either the notary rewrote history, or the sender invented it. */
export interface Dispute {
  readonly entry: number;
  readonly senderId: Uint8Array;
  readonly treeSize: number;
}

/** A delivery receipt does not fit the labels that the ledger holds. */
export interface ReceiptProblem {
  readonly entry: number;
  readonly readerId: Uint8Array;
  /** `not-logged`: labels that it confirms are missing. `mismatch`: it confirms other labels than those. */
  readonly problem: 'not-logged' | 'mismatch';
}

/** A list that is cut at a bound, and how long it really is. */
export interface Found<T> {
  readonly total: number;
  readonly first: readonly T[];
}

/** What the labels tell, beyond whether the ledger holds. Found by a full or incremental verification. */
export interface Findings {
  readonly gaps: Found<Gap>;
  readonly conflicts: Found<Conflict>;
  readonly disputes: Found<Dispute>;
  readonly receiptProblems: Found<ReceiptProblem>;
}

/** What a verification found, what it checked, and what it took on trust. */
export interface VerifyReport {
  readonly mode: VerifyMode;
  /** `disputed`: everything holds, but a sender's label claims a head that this ledger never had. */
  readonly verdict: 'valid' | 'disputed' | 'broken';
  /** The first thing that does not hold. */
  readonly broken: Broken | null;
  readonly origin: string | null;
  /** 32 bytes. */
  readonly notaryId: Uint8Array | null;
  /** Blocks and entries that were read and rehashed, and signatures that were verified. */
  readonly blocks: number;
  readonly entries: number;
  readonly signatures: number;
  /** The first entry that was read: above 0 after a checkpoint. */
  readonly firstEntry: number;
  /** The newest signed block that was found to hold. */
  readonly head: (LedgerHead & { readonly timeS: number }) | null;
  /** The height of a last block that its notary has not signed yet; its entries do not count. */
  readonly unsignedBlock: number | null;
  readonly findings: Findings;
  /** What was not checked, or is somebody's word, in sentences. */
  readonly onTrust: readonly string[];
  /** To be remembered; null unless the verdict is `valid`. */
  readonly checkpoint: Checkpoint | null;
}
