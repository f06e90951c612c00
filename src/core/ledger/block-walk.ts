import type { SignatureCheck } from './audit.ts';
import type { BlockHeader } from './block.ts';
import type { StoredEntry } from './store.ts';

/** A block whose entries are being fed. */
export class BlockWalk {
  readonly #header: BlockHeader;
  readonly #take: (entries: readonly StoredEntry[]) => SignatureCheck[];
  #nextIndex: number;

  /** Made by {@link LedgerWalk.block}. */
  constructor(header: BlockHeader, take: (entries: readonly StoredEntry[]) => SignatureCheck[]) {
    this.#header = header;
    this.#take = take;
    this.#nextIndex = header.firstIndex;
  }

  /** The entry that comes next. */
  get nextIndex(): number {
    return this.#nextIndex;
  }

  /** Entries of this block that are still to come. */
  get left(): number {
    return this.#header.treeSize - this.#nextIndex;
  }

  /** Takes the next entries, at most {@link BlockWalk.left}; none where the next one is missing. */
  take(entries: readonly StoredEntry[]): SignatureCheck[] {
    this.#nextIndex += entries.length;
    return this.#take(entries);
  }
}
