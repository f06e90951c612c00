/** Runs asynchronous actions one after the other, in the order in which they were given. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #count = 0;

  /** True where nothing is under way: what is done now is done in its turn. */
  get idle(): boolean {
    return this.#count === 0;
  }

  /** Resolves or rejects as `action` does; a rejection does not stop those that follow. */
  run<T>(action: () => Promise<T>): Promise<T> {
    this.#count += 1;
    const turn = this.#last.then(action);
    const done = (): void => {
      this.#count -= 1;
    };
    this.#last = turn.then(done, done);
    return turn;
  }
}
