import { SealwireError } from '../core/errors.ts';

interface Waiting<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** How much a {@link Batching} takes at once and holds. */
export interface BatchingBounds {
  readonly batchMax: number;
  readonly queueMax: number;
}

/**
 * Adaptive group commit: one commit is in flight, and the next one takes what has queued up meanwhile. An idle queue's
 * item waits for nothing. After a commit fails its outcome is unknown, so nothing is committed any more.
 */
export class Batching<Item, Result> {
  readonly #commit: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #turn: () => Promise<void>;
  readonly #bounds: BatchingBounds;
  readonly #queue: Waiting<Item, Result>[] = [];
  #running: Promise<void> | null = null;
  #failure: unknown;
  readonly #failed = Promise.withResolvers<unknown>();
  #isStopped = false;

  /** `commit` gives one result for each item, in order; `turn` is the clock's. */
  constructor(
    commit: (items: readonly Item[]) => Promise<readonly Result[]>,
    turn: () => Promise<void>,
    bounds: BatchingBounds,
  ) {
    this.#commit = commit;
    this.#turn = turn;
    this.#bounds = bounds;
  }

  /** Resolves with the reason when a commit fails, and not before. */
  get failed(): Promise<unknown> {
    return this.#failed.promise;
  }

  /** Queues items together; throws `overloaded` when there is no room for them, or what stopped the queue. */
  add(items: readonly Item[]): Promise<Result>[] {
    if (this.#isStopped) throw this.#failure;
    if (this.#queue.length + items.length > this.#bounds.queueMax) {
      throw new SealwireError('overloaded', `More than ${this.#bounds.queueMax} entries wait to be logged.`, {
        hint: 'Send more slowly, or submit the labels again later.',
      });
    }
    const results = items.map(
      (item) => new Promise<Result>((resolve, reject) => this.#queue.push({ item, resolve, reject })),
    );
    this.#running ??= this.#run();
    return results;
  }

  /** Refuses further items with `failure`, and resolves once those taken before are committed or rejected. */
  async stop(failure: unknown): Promise<void> {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.#failure = failure;
    }
    await this.#running;
  }

  async #run(): Promise<void> {
    // Whatever else this turn of the loop has ready goes into the same batch: a commit holds up all that comes later.
    for (await this.#turn(); this.#queue.length > 0; await this.#turn()) {
      const batch = this.#queue.splice(0, this.#bounds.batchMax);
      try {
        const results = await this.#commit(batch.map(({ item }) => item));
        batch.forEach(({ resolve }, i) => {
          resolve(results[i] as Result);
        });
      } catch (error) {
        this.#isStopped = true;
        this.#failure = error;
        this.#failed.resolve(error);
        for (const { reject } of [...batch, ...this.#queue.splice(0)]) reject(error);
      }
    }
    this.#running = null;
  }
}
