/** Whatever keeps keys in {@link SkippedKeys}: told apart by being another object. */
type Owner = object;

/**
 * Message keys for frames that were passed over, of one ratchet or of many that share the bound. Where there are too
 * many, whoever keeps most loses its oldest, so that one sender cannot make away with the others' keys.
 */
export class SkippedKeys {
  readonly #max: number;
  readonly #ownerMax: number;
  #size = 0;
  /** By seq, longest kept first. */
  readonly #byOwner = new Map<Owner, Map<number, Uint8Array>>();
  /** Owners by how many keys they keep, so that the largest is found at once however many there are. */
  readonly #byCount = new Map<number, Set<Owner>>();
  #highestCount = 0;

  /** Keeps `max` keys at most, and of one owner `ownerMax`. */
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
    this.#byOwner.set(owner, own.set(seq, key));
    this.#counted(owner, own.size - 1, own.size);
    if (own.size > this.#ownerMax) this.#dropOldest(owner);
    while (this.#size > this.#max) this.#dropOldest(this.#largest());
  }

  /** Takes a key out; false where there is none. It is the caller's to forget. */
  use(owner: Owner, seq: number): boolean {
    const own = this.#byOwner.get(owner);
    if (!own?.delete(seq)) return false;
    if (own.size === 0) this.#byOwner.delete(owner);
    this.#counted(owner, own.size + 1, own.size);
    return true;
  }

  /** Forgets every key of `owner`. */
  forget(owner: Owner): void {
    for (const [seq, key] of this.of(owner)) {
      key.fill(0);
      this.use(owner, seq);
    }
  }

  #dropOldest(owner: Owner): void {
    const [oldest] = this.#byOwner.get(owner) ?? [];
    if (!oldest) return;
    const [seq, key] = oldest;
    key.fill(0);
    this.use(owner, seq);
  }

  #largest(): Owner {
    const [owner] = this.#byCount.get(this.#highestCount) ?? [];
    if (!owner) throw new Error('keys are counted for an owner that has none');
    return owner;
  }

  /** Counts change by one at a time, so the highest one never has to be looked for. */
  #counted(owner: Owner, before: number, after: number): void {
    this.#size += after - before;
    const same = this.#byCount.get(before);
    same?.delete(owner);
    if (same?.size === 0) this.#byCount.delete(before);
    if (after > 0) this.#byCount.set(after, (this.#byCount.get(after) ?? new Set<Owner>()).add(owner));
    if (after > this.#highestCount || !this.#byCount.has(this.#highestCount)) this.#highestCount = after;
  }
}
