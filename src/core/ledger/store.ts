import type { SeqRange } from '../frame/receipt.ts';
import type { Eventually } from '../ports.ts';
import type { Block } from './block.ts';
import type { NodeRun } from './proofs.ts';

/** The end of a ledger: its newest block. */
export interface LedgerHead {
  readonly height: number;
  readonly treeSize: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** A place in a sender's ratchet; no two entries share one. */
export interface Position {
  /** 32 bytes. */
  readonly senderId: Uint8Array;
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  readonly seq: number;
}

/** An entry as it is kept. Whoever judges a ledger rehashes `bytes` and does not believe `leaf`. */
export interface StoredEntry {
  readonly bytes: Uint8Array;
  /** RFC 9162 leaf hash, 32 bytes. */
  readonly leaf: Uint8Array;
}

/** An entry to be kept, with what it is to be found by. */
export interface NewEntry extends StoredEntry {
  /** One of `KIND`. */
  readonly kind: number;
  /** Null for the notary's statements. */
  readonly position: Position | null;
  /** The frames that a delivery receipt is about; null for other entries. */
  readonly confirms: {
    readonly senderId: Uint8Array;
    readonly ratchetId: Uint8Array;
    readonly ranges: readonly SeqRange[];
  } | null;
}

/** A node of a kept level above the leaves; see `KEPT_LEVEL_STEP`. */
export interface NewNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

/** A block to be kept: unsigned, because it is signed only after it is durable. */
export interface NewBlock {
  /** The head that it was drafted on; null for a genesis block. */
  readonly expected: LedgerHead | null;
  readonly head: LedgerHead;
  readonly protectedBytes: Uint8Array;
  /** Those from `expected.treeSize` up to `head.treeSize`, in order. */
  readonly entries: readonly NewEntry[];
  /** Nodes of kept levels above the leaves that these entries completed. */
  readonly nodes: readonly NewNode[];
}

/**
 * Reads a ledger.
 *
 * Contract, for every method: what it returns is as it is kept, checked for nothing; byte strings belong to the caller.
 * Any other than a working file or connection throws `ledger-missing` (there is none), `ledger-broken` (it is damaged
 * or something else), `unsupported` (a newer version made it) or `file-unreadable`.
 */
export interface LedgerReader extends AsyncDisposable {
  /** The newest block's place, null in an empty ledger. */
  head(): Eventually<LedgerHead | null>;
  /** Blocks of consecutive heights from `firstHeight`; `countMax` at most, ends early before a missing one. */
  blocks(firstHeight: number, countMax: number): Eventually<Block[]>;
  /** Entries of consecutive indices from `firstIndex`; `countMax` at most, ends early before a missing one. */
  entries(firstIndex: number, countMax: number): Eventually<StoredEntry[]>;
  /** The nodes of a run, fewer where some are missing; `level` 0 gives leaf hashes. */
  nodes(run: NodeRun): Eventually<Uint8Array[]>;
  /** The index of the entry at that place of a sender's ratchet, or null. */
  indexAt(position: Position): Eventually<number | null>;
  /** The indices of all statements of one kind, ascending. */
  statements(kind: number): Eventually<number[]>;
  /** The indices of the delivery receipts that cover a place, ascending. */
  confirmations(position: Position): Eventually<number[]>;
  /** The height of the block that holds an entry, or null past the end. */
  heightOf(entryIndex: number): Eventually<number | null>;
}

/**
 * Keeps a ledger.
 *
 * Contract: `append` resolves once the whole block is durable, or rejects. `head-moved` means that the head was not
 * `expected`, or an entry's position was taken, and that nothing was kept. After any other rejection the outcome is
 * unknown until the ledger is opened again. Two stores over the same place see each other's blocks, and of two
 * appends on one head exactly one succeeds.
 */
export interface LedgerStore extends LedgerReader {
  append(block: NewBlock): Eventually<void>;
  /**
   * Keeps the signature of the block at `height`, durably. `head-moved` where there is no such block or it is signed
   * already.
   */
  sign(height: number, signature: Uint8Array): Eventually<void>;
}
