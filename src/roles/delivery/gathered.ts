import type { GroupCommit } from './group-commit.ts';

/** Things of one kind that one turn of the loop wants written, for which one statement may do instead of many. */
export class Gathered<T> {
  readonly #commits: GroupCommit;
  readonly #write: (items: readonly T[]) => void;
  #items: T[] = [];
  #next: Promise<void> | undefined;

  /** `write` runs within a transaction, and may be given an item again that was written before. */
  constructor(commits: GroupCommit, write: (items: readonly T[]) => void) {
    this.#commits = commits;
    this.#write = write;
  }

  /** Resolves once the item is on the disk; rejects with `file-unwritable`, and then it goes with the next one. */
  add(item: T): Promise<void> {
    this.#items.push(item);
    this.#next ??= this.#run();
    return this.#next;
  }

  async #run(): Promise<void> {
    let taken: T[] = [];
    try {
      await this.#commits.run(() => {
        // What is added from here on is for another turn.
        this.#next = undefined;
        taken = this.#items;
        this.#items = [];
        this.#write(taken);
      });
    } catch (error) {
      if (taken.length === 0) this.#next = undefined;
      this.#items = [...taken, ...this.#items];
      throw error;
    }
  }
}
