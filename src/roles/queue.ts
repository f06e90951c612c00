import { Handoff } from '../core/handoff.ts';

/**
 * A bounded queue between one producer that can wait and one consumer that iterates: `push` resolves once there is
 * room for more. Leaving an iteration ends nothing; the next one goes on with the next item.
 */
export class AsyncQueue<T> {
  #sizeMax: number;
  #weightMax: number;
  readonly #weigh: (item: T) => number;
  #size = 0;
  #weight = 0;
  #room: PromiseWithResolvers<void> | undefined;
  readonly #items = new Handoff<T>((item) => this.#taken(item));

  /** Holds `sizeMax` items, or as many as weigh `weightMax` together; each bound may be passed by one item. */
  constructor(sizeMax: number, weightMax: number = Number.POSITIVE_INFINITY, weigh: (item: T) => number = () => 0) {
    this.#sizeMax = sizeMax;
    this.#weightMax = weightMax;
    this.#weigh = weigh;
  }

  /** Queues `item`; after the end it is dropped. */
  async push(item: T): Promise<void> {
    if (this.#items.ended) return;
    this.#size += 1;
    this.#weight += this.#weigh(item);
    this.#items.put(item);
    if (this.#hasRoom) return;
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
  }

  /** From now on the producer never waits: only what is still under way is to come. */
  unbound(): void {
    this.#sizeMax = Number.POSITIVE_INFINITY;
    this.#weightMax = Number.POSITIVE_INFINITY;
    this.#release();
  }

  /** Nothing follows; iteration ends, or throws `error`, after what is queued. The first call decides. */
  end(error?: Error): void {
    this.#items.end(error);
    this.unbound();
  }

  /** What is queued, as it comes. */
  items(): AsyncIterableIterator<T> {
    return this.#items.items();
  }

  /** Ends it here and now; gives back what nobody took. */
  drop(): T[] {
    this.unbound();
    return this.#items.drop();
  }

  get #hasRoom(): boolean {
    return this.#size < this.#sizeMax && this.#weight < this.#weightMax;
  }

  #taken(item: T): void {
    this.#size -= 1;
    this.#weight -= this.#weigh(item);
    if (this.#hasRoom) this.#release();
  }

  #release(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}
