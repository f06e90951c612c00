/** Whatever keeps keys in {@link SkippedKeys}: told apart by being another object. */
type Owner = object;

/** By seq, longest kept first. */
type Kept = Map<number, Uint8Array>;

/**
 * Message keys for frames that were passed over, of one ratchet or of many that share the bound. Where there are too
 * many, whoever has the most loses its oldest: so nobody who has no more than an equal share of the room loses any,
 * whatever the others do.
 */
export class SkippedKeys {
  readonly #max: number;
  readonly #ownerMax: number;
  readonly #byOwner = new Map<Owner, Kept>();
  /** Owners by how many keys they have, so that nobody has to look for the one with the most. */
  readonly #byCount = new Map<number, Set<Owner>>();
  #most = 0;
  #size = 0;

  /** Keeps `max` keys at most, and of one owner `ownerMax`, so that what is saved of it stays small too. */
  constructor(max: number, ownerMax: number = max) {
    this.#max = max;
    this.#ownerMax = ownerMax;
  }

  /** Keys kept for all together. */
  get size(): number {
    return this.#size;
  }

  /** Keys kept for `owner`. */
  count(owner: Owner): number {
    return this.#byOwner.get(owner)?.size ?? 0;
  }

  /** The keys of `owner` by seq, longest kept first. */
  of(owner: Owner): [seq: number, key: Uint8Array][] {
    return [...(this.#byOwner.get(owner) ?? [])];
  }

  get(owner: Owner, seq: number): Uint8Array | undefined {
    return this.#byOwner.get(owner)?.get(seq);
  }

  keep(owner: Owner, seq: number, key: Uint8Array): void {
    this.use(owner, seq);
    const own = this.#byOwner.get(owner) ?? new Map<number, Uint8Array>();
    this.#byOwner.set(owner, own);
    own.set(seq, key);
    this.#counted(owner, own.size - 1, own.size);
    if (own.size > this.#ownerMax) this.#dropOldest(owner);
    else if (this.#size > this.#max) this.#dropOldest(this.#largest(owner));
  }

  /** Takes a key out; false where there is none. It is the caller's to forget. */
  use(owner: Owner, seq: number): boolean {
    const own = this.#byOwner.get(owner);
    if (!own?.delete(seq)) return false;
    this.#counted(owner, own.size + 1, own.size);
    return true;
  }

  /** Forgets every key of `owner`. */
  forget(owner: Owner): void {
    const own = this.#byOwner.get(owner);
    if (!own) return;
    for (const key of own.values()) key.fill(0);
    this.#counted(owner, own.size, 0);
  }

  #largest(keeper: Owner): Owner {
    const [most] = this.#byCount.get(this.#most) ?? [];
    // Of several that have as many, the one that wants more.
    return most && this.count(keeper) < this.#most ? most : keeper;
  }

  #dropOldest(loser: Owner): void {
    const [oldest] = this.#byOwner.get(loser) ?? [];
    if (!oldest) return;
    const [seq, key] = oldest;
    key.fill(0);
    this.use(loser, seq);
  }

  #counted(owner: Owner, before: number, now: number): void {
    this.#size += now - before;
    const former = this.#byCount.get(before);
    former?.delete(owner);
    if (former?.size === 0) this.#byCount.delete(before);
    if (now === 0) this.#byOwner.delete(owner);
    else this.#byCount.set(now, (this.#byCount.get(now) ?? new Set()).add(owner));
    this.#most = Math.max(this.#most, now);
    while (this.#most > 0 && !this.#byCount.has(this.#most)) this.#most -= 1;
  }
}
