/** Whatever keeps keys in {@link SkippedKeys}: told apart by being another object. */
type Owner = object;

interface Kept {
  readonly owner: Owner;
  readonly seq: number;
  readonly key: Uint8Array;
}

/**
 * Message keys for frames that were passed over, of one ratchet or of many that share the bound. Where there are too
 * many, whoever has more than its share loses its own oldest, so that one sender cannot make away with the others' keys.
 */
export class SkippedKeys {
  readonly #max: number;
  /** Longest kept first. */
  readonly #order = new Set<Kept>();
  readonly #byOwner = new Map<Owner, Map<number, Kept>>();

  /** Keeps `max` keys at most. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Keys kept for all together. */
  get size(): number {
    return this.#order.size;
  }

  /** Keys kept for `owner`. */
  count(owner: Owner): number {
    return this.#byOwner.get(owner)?.size ?? 0;
  }

  /** The keys of `owner` by seq, longest kept first. */
  of(owner: Owner): [seq: number, key: Uint8Array][] {
    return [...(this.#byOwner.get(owner)?.values() ?? [])].map(({ seq, key }) => [seq, key]);
  }

  get(owner: Owner, seq: number): Uint8Array | undefined {
    return this.#byOwner.get(owner)?.get(seq)?.key;
  }

  keep(owner: Owner, seq: number, key: Uint8Array): void {
    this.use(owner, seq);
    const kept = { owner, seq, key };
    const own = this.#byOwner.get(owner) ?? new Map<number, Kept>();
    this.#byOwner.set(owner, own);
    own.set(seq, kept);
    this.#order.add(kept);
    if (this.#order.size > this.#max) this.#dropOne(own);
  }

  /** Takes a key out; false where there is none. It is the caller's to forget. */
  use(owner: Owner, seq: number): boolean {
    const own = this.#byOwner.get(owner);
    const kept = own?.get(seq);
    if (!own || !kept) return false;
    this.#order.delete(kept);
    own.delete(seq);
    if (own.size === 0) this.#byOwner.delete(owner);
    return true;
  }

  #dropOne(own: Map<number, Kept>): void {
    const share = this.#max / this.#byOwner.size;
    const [oldest] = own.size > share ? own.values() : this.#order;
    if (!oldest) return;
    oldest.key.fill(0);
    this.use(oldest.owner, oldest.seq);
  }

  /** Forgets every key of `owner`. */
  forget(owner: Owner): void {
    for (const kept of this.#byOwner.get(owner)?.values() ?? []) {
      kept.key.fill(0);
      this.#order.delete(kept);
    }
    this.#byOwner.delete(owner);
  }
}
