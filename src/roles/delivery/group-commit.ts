import type { DeliveryStore } from '../../core/delivery.ts';
import type { Clock } from '../../core/ports.ts';

interface Work {
  run(): void;
  resolve(): void;
  reject(error: unknown): void;
}

/** Writes everything that one turn of the loop wants written in one transaction: waiting for a disk costs the same for all of it. */
export class GroupCommit {
  readonly #store: Pick<DeliveryStore, 'transaction'>;
  readonly #clock: Pick<Clock, 'turn'>;
  #works: Work[] = [];
  #flushing: Promise<void> | undefined;

  constructor(store: Pick<DeliveryStore, 'transaction'>, clock: Pick<Clock, 'turn'>) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Runs `work` with that of others, in the order of the calls, and resolves with its result once all is on the disk;
   * rejects with `file-unwritable`, and then so do all of them. Work changes nothing but the store.
   */
  run<T>(work: () => T): Promise<T> {
    const done = Promise.withResolvers<T>();
    let result: T;
    this.#works.push({
      run: () => {
        result = work();
      },
      resolve: () => done.resolve(result),
      reject: done.reject,
    });
    this.#flushing ??= this.#clock.turn().then(() => this.#flush());
    return done.promise;
  }

  /** Resolves when everything that was given so far is written, or could not be. */
  async settled(): Promise<void> {
    while (this.#flushing) await this.#flushing;
  }

  #flush(): void {
    const works = this.#works;
    this.#works = [];
    this.#flushing = undefined;
    try {
      this.#store.transaction(() => {
        for (const work of works) work.run();
      });
    } catch (error) {
      for (const work of works) work.reject(error);
      return;
    }
    for (const work of works) work.resolve();
  }
}
