/** The bounds of a pause, and where chance comes from. */
export interface PauseOptions {
  readonly random: (length: number) => Uint8Array;
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Pauses between attempts, by decorrelated jitter: each is picked between the least one and three times the last one.
 * So those whom one broker's fall has thrown out do not come back together, and nobody keeps at it in a hurry.
 */
export class Pauses {
  readonly #options: PauseOptions;
  #lastMs: number;

  constructor(options: PauseOptions) {
    this.#options = options;
    this.#lastMs = options.minMs;
  }

  /** Milliseconds until the next attempt. */
  next(): number {
    const { minMs, maxMs } = this.#options;
    this.#lastMs = Math.min(maxMs, Math.round(minMs + this.#chance() * (this.#lastMs * 3 - minMs)));
    return this.#lastMs;
  }

  /** Milliseconds until the first attempt after a connection that was good: the least pause at most. Those after it grow. */
  first(): number {
    this.reset();
    return Math.round(this.#chance() * this.#options.minMs);
  }

  /** The next one is short again. */
  reset(): void {
    this.#lastMs = this.#options.minMs;
  }

  #chance(): number {
    const [high = 0, low = 0] = this.#options.random(2);
    return (high * 256 + low) / 65_536;
  }
}
