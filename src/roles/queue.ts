/**
 * A bounded queue between one producer that can wait and one consumer that iterates. `push` resolves once there is
 * room for more; `end` lets the consumer finish what is queued, then stops it, or throws `error` there.
 */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  #sizeMax: number;
  readonly #items: T[] = [];
  readonly #takers: PromiseWithResolvers<IteratorResult<T, undefined>>[] = [];
  #room: PromiseWithResolvers<void> | undefined;
  #ended = false;
  #error: Error | undefined;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** Queues `item`; after the end it is dropped. */
  async push(item: T): Promise<void> {
    if (this.#ended) return;
    const taker = this.#takers.shift();
    if (taker) taker.resolve({ value: item, done: false });
    else this.#items.push(item);
    if (this.#items.length >= this.#sizeMax) {
      this.#room ??= Promise.withResolvers();
      await this.#room.promise;
    }
  }

  /** From now on the producer never waits: only what is still under way is to come. */
  unbound(): void {
    this.#sizeMax = Number.POSITIVE_INFINITY;
    this.#release();
  }

  /** Nothing follows. The first call decides how iteration ends. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#release();
    for (const taker of this.#takers.splice(0)) this.#finish(taker);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      if (this.#items.length < this.#sizeMax) this.#release();
      return Promise.resolve({ value: item, done: false });
    }
    const taker = Promise.withResolvers<IteratorResult<T, undefined>>();
    if (this.#ended) this.#finish(taker);
    else this.#takers.push(taker);
    return taker.promise;
  }

  /** The consumer loses interest: what is queued is dropped and the producer no longer waits. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#items.length = 0;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #finish(taker: PromiseWithResolvers<IteratorResult<T, undefined>>): void {
    const error = this.#error;
    // An error is told once; whoever asks again is at the end.
    this.#error = undefined;
    if (error) taker.reject(error);
    else taker.resolve({ value: undefined, done: true });
  }

  #release(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}
