/** A run of messages, both ends included, that did not come. */
export interface Gap {
  readonly first: number;
  readonly last: number;
}

/** What an {@link StreamOrder} hands on, in this order. */
export type Ordered<T> =
  | {
      readonly type: 'message';
      readonly n: number;
      readonly item: T /** It comes after its gap was reported. */;
      readonly late: boolean;
    }
  | { readonly type: 'gap'; readonly gap: Gap };

/** Where an order stands. */
export interface OrderPlace {
  /** The n that is to come next. */
  readonly next: number;
  /** What was reported missing and may still come, oldest first. */
  readonly gaps: readonly Gap[];
}

/** How many reported gaps are remembered, so that a latecomer is told from a message that was there before. */
const GAPS_MAX = 1024;

/**
 * Puts one stream's messages back into their sender's order. A missing message holds its followers until it comes or
 * until the caller, who has the clock, gives up on it. Nothing is ever handed on silently out of order.
 */
export class StreamOrder<T> {
  /** Made when something has to wait: thousands of streams stand idle at a reader, each with an order. */
  #held: Map<number, T> | undefined;
  readonly #gaps: Gap[] = [];
  readonly #heldMax: number;
  readonly #weightMax: number;
  readonly #weigh: (item: T) => number;
  #weight = 0;
  #next = 0;

  /** Holds `heldMax` messages at most, and as many as weigh `weightMax` together; one alone may weigh more. */
  constructor(heldMax: number, weightMax: number = Number.POSITIVE_INFINITY, weigh: (item: T) => number = () => 0) {
    this.#heldMax = heldMax;
    this.#weightMax = weightMax;
    this.#weigh = weigh;
  }

  /** Where it stands, for {@link resume}; what it holds is not part of it. */
  get place(): OrderPlace {
    return { next: this.#next, gaps: [...this.#gaps] };
  }

  /** Goes on from a place; what comes of its gaps all the same is late. Call it before anything is accepted. */
  resume({ next, gaps }: OrderPlace): void {
    this.#next = next;
    this.#gaps.splice(0, this.#gaps.length, ...gaps);
  }

  /** True while messages wait for one before them. */
  get holding(): boolean {
    return this.#heldCount > 0;
  }

  /** The n that is to come next. */
  get next(): number {
    return this.#next;
  }

  /** The highest n that is held; −1 where nothing is. */
  get newest(): number {
    return Math.max(-1, ...(this.#held?.keys() ?? []));
  }

  /** What is held weighs so much. */
  get weight(): number {
    return this.#weight;
  }

  /** True where message `n` was neither there before nor given up for good. */
  isNew(n: number): boolean {
    if (n >= this.#next) return !this.#held?.has(n);
    return this.#gaps.some(({ first, last }) => first <= n && n <= last);
  }

  /** Takes message `n` in and gives what may now be handed on; empty for a duplicate. */
  accept(n: number, item: T): Ordered<T>[] {
    if (n < this.#next) return this.#fillGap(n) ? [{ type: 'message', n, item, late: true }] : [];
    if (n === this.#next && !this.holding) {
      this.#next += 1;
      return [{ type: 'message', n, item, late: false }];
    }
    this.#held ??= new Map();
    if (this.#held.has(n)) return [];
    this.#held.set(n, item);
    this.#weight += this.#weigh(item);
    const ready = this.#drain();
    while (this.holding && (this.#heldCount > this.#heldMax || this.#weight > this.#weightMax)) {
      ready.push(...this.giveUp());
    }
    return ready;
  }

  /** Stops waiting for what is missing before the first held message: reports the gap, then hands on what it held. */
  giveUp(): Ordered<T>[] {
    if (!this.#held) return [];
    const last = Math.min(...this.#held.keys()) - 1;
    return [this.#skipTo(last), ...this.#drain()];
  }

  /** The sender says that nothing below `n` will follow any more: reports what is missing, hands on everything held. */
  finish(n: number): Ordered<T>[] {
    const ready: Ordered<T>[] = [];
    while (this.holding) ready.push(...this.giveUp());
    if (n > this.#next) ready.push(this.#skipTo(n - 1));
    return ready;
  }

  get #heldCount(): number {
    return this.#held?.size ?? 0;
  }

  #skipTo(last: number): Ordered<T> {
    const gap = { first: this.#next, last };
    this.#gaps.push(gap);
    this.#forgetOldGaps();
    this.#next = last + 1;
    return { type: 'gap', gap };
  }

  #drain(): Ordered<T>[] {
    const ready: Ordered<T>[] = [];
    const held = this.#held;
    for (let item = held?.get(this.#next); item !== undefined; item = held?.get(this.#next)) {
      held?.delete(this.#next);
      this.#weight -= this.#weigh(item);
      ready.push({ type: 'message', n: this.#next, item, late: false });
      this.#next += 1;
    }
    if (held?.size === 0) this.#held = undefined;
    return ready;
  }

  #fillGap(n: number): boolean {
    const at = this.#gaps.findIndex(({ first, last }) => first <= n && n <= last);
    const gap = this.#gaps[at];
    if (!gap) return false;
    const rest = [
      { first: gap.first, last: n - 1 },
      { first: n + 1, last: gap.last },
    ].filter(({ first, last }) => first <= last);
    this.#gaps.splice(at, 1, ...rest);
    // One wide gap can be filled into any number of small ones.
    this.#forgetOldGaps();
    return true;
  }

  #forgetOldGaps(): void {
    if (this.#gaps.length > GAPS_MAX) this.#gaps.splice(0, this.#gaps.length - GAPS_MAX);
  }
}
