/** How much goes on at once. */
export interface UnderWayBounds {
  readonly countMax: number;
  readonly bytesMax: number;
}

/** Work that goes on at once, in a bounded amount. */
export class UnderWay {
  readonly #bounds: UnderWayBounds;
  readonly #onFailure: () => void;
  #count = 0;
  #bytes = 0;
  #room: PromiseWithResolvers<void> | undefined;
  #idle: PromiseWithResolvers<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `onFailure` is told at once of each that fails. */
  constructor(bounds: UnderWayBounds, onFailure: () => void) {
    this.#bounds = bounds;
    this.#onFailure = onFailure;
  }

  /** True once one has failed. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Takes `work` about so many bytes; gives a promise of room for more where there is none. */
  add(work: Promise<unknown>, bytes: number): Promise<void> | undefined {
    this.#count += 1;
    this.#bytes += bytes;
    work.catch((error: unknown) => this.#fail(error)).then(() => this.#remove(bytes));
    if (this.#hasRoom) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Resolves when all of it is done; rejects as the first that failed. */
  async done(): Promise<void> {
    if (this.#count > 0) {
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
    }
    if (this.#failure) throw this.#failure.error;
  }

  get #hasRoom(): boolean {
    return this.#count < this.#bounds.countMax && this.#bytes < this.#bounds.bytesMax;
  }

  #remove(bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
    if (this.#count === 0) this.#idle?.resolve();
    if (!this.#hasRoom) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#onFailure();
  }
}
