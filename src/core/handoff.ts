/**
 * Hands items from one who puts to one who takes, in order, then an end or an error, which stays. It holds whatever is
 * put; whoever puts bounds that with the help of `onTake`.
 */
export class Handoff<T> {
  readonly #onTake: (item: T) => void;
  #items: T[] = [];
  #head = 0;
  #takers: PromiseWithResolvers<IteratorResult<T, undefined>>[] = [];
  #end: { readonly error: unknown } | undefined;

  /** `onTake` is called with each item as it leaves. */
  constructor(onTake: (item: T) => void = () => {}) {
    this.#onTake = onTake;
  }

  /** True once {@link Handoff.end} or {@link Handoff.drop} was called; items may still wait. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** False when there has been an end: the item stays with the caller. */
  put(item: T): boolean {
    if (this.#end) return false;
    const taker = this.#takers.shift();
    if (taker) {
      this.#onTake(item);
      taker.resolve({ done: false, value: item });
    } else this.#items.push(item);
    return true;
  }

  /** After the items already put comes the end, or `error` for every further taker. Only the first call counts. */
  end(error?: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    for (const taker of this.#takers.splice(0)) this.#settle(taker);
  }

  /** Ends here and now, whatever was to come, and gives back what nobody has taken. */
  drop(): T[] {
    const left = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    this.#end = { error: undefined };
    for (const taker of this.#takers.splice(0)) this.#settle(taker);
    return left;
  }

  /** Takers may ask ahead; they are served in their order. Leaving a loop over it ends nothing. */
  items(): AsyncIterableIterator<T> {
    let left = false;
    const iterator: AsyncIterableIterator<T> = {
      next: () => (left ? Promise.resolve({ done: true, value: undefined }) : this.#take()),
      return: () => {
        left = true;
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #take(): Promise<IteratorResult<T, undefined>> {
    const taker = Promise.withResolvers<IteratorResult<T, undefined>>();
    if (this.#head < this.#items.length) {
      const item = this.#shift();
      this.#onTake(item);
      taker.resolve({ done: false, value: item });
    } else if (this.#end) this.#settle(taker);
    else this.#takers.push(taker);
    return taker.promise;
  }

  #shift(): T {
    const item = this.#items[this.#head] as T;
    this.#head += 1;
    // Shifting one by one would move the whole rest each time.
    if (this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  #settle(taker: PromiseWithResolvers<IteratorResult<T, undefined>>): void {
    if (this.#end?.error === undefined) taker.resolve({ done: true, value: undefined });
    else taker.reject(this.#end.error);
  }
}
