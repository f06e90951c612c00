import type { Clock } from '../../core/ports.ts';

/** How much a {@link BoundedTable} holds. */
export interface TableBounds {
  readonly entriesMax: number;
  /** Of one owner. */
  readonly perOwnerMax: number;
  readonly keepMs: number;
}

/** Why an entry is gone that nobody removed. */
export type Gone = 'displaced' | 'expired';

interface Slot {
  readonly owner: string;
  readonly keys: string[];
  readonly cancelTimer: () => void;
}

/**
 * What has to be remembered on the word of whoever can publish: for a while only, and never more than so much. The
 * oldest makes room for the newest; were newcomers refused, a few silent ones would keep everybody out.
 */
export class BoundedTable<T> {
  readonly #clock: Clock;
  readonly #bounds: TableBounds;
  readonly #onGone: (entry: T, why: Gone) => void;
  /** The oldest first, as in each owner's. */
  readonly #slots = new Map<T, Slot>();
  readonly #owned = new Map<string, Set<T>>();
  readonly #byKey = new Map<string, T>();

  constructor(clock: Clock, bounds: TableBounds, onGone: (entry: T, why: Gone) => void = () => {}) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#slots.size;
  }

  has(entry: T): boolean {
    return this.#slots.has(entry);
  }

  find(key: string): T | undefined {
    return this.#byKey.get(key);
  }

  /** Keeps `entry` under `keys`, each of which must be free, on the account of `owner`. */
  add(entry: T, owner: string, keys: readonly string[]): void {
    const { entriesMax, perOwnerMax, keepMs } = this.#bounds;
    const own = this.#owned.get(owner);
    if (own && own.size >= perOwnerMax) this.#drop(first(own), 'displaced');
    if (this.#slots.size >= entriesMax) this.#drop(first(this.#slots.keys()), 'displaced');
    const cancelTimer = this.#clock.after(keepMs, () => this.#drop(entry, 'expired'));
    this.#slots.set(entry, { owner, keys: [], cancelTimer });
    this.#owned.set(owner, (this.#owned.get(owner) ?? new Set()).add(entry));
    for (const key of keys) this.alias(entry, key);
  }

  /** One more key for an entry, unless that is gone. */
  alias(entry: T, key: string): void {
    const slot = this.#slots.get(entry);
    if (!slot) return;
    slot.keys.push(key);
    this.#byKey.set(key, entry);
  }

  /** Takes `entry` out; its leaving is nobody's news. */
  remove(entry: T): void {
    const slot = this.#slots.get(entry);
    if (!slot) return;
    slot.cancelTimer();
    this.#slots.delete(entry);
    for (const key of slot.keys) this.#byKey.delete(key);
    const own = this.#owned.get(slot.owner);
    own?.delete(entry);
    if (own?.size === 0) this.#owned.delete(slot.owner);
  }

  /** Forgets everything. */
  clear(): void {
    for (const entry of [...this.#slots.keys()]) this.remove(entry);
  }

  #drop(entry: T | undefined, why: Gone): void {
    if (entry === undefined) return;
    this.remove(entry);
    this.#onGone(entry, why);
  }
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
