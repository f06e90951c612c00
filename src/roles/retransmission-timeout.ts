/** How long a frame may stay unconfirmed: RFC 6298's estimate, whose round trips here include the reader's receipts. */
export interface TimeoutBounds {
  /** Before anything was measured, and the least at any time. */
  readonly firstMs: number;
  readonly maxMs: number;
}

/** How long what was sent may stay unconfirmed, milliseconds. */
export interface Pauses {
  /** What left once. */
  readonly freshMs: number;
  /** What was sent again: no longer than what left once may. */
  readonly againMs: number;
}

/** The retransmission timeout of one sender, learnt from how long confirmations take (RFC 6298, section 2). */
export class RetransmissionTimeout {
  readonly #bounds: TimeoutBounds;
  #smoothedMs: number | undefined;
  #variationMs = 0;
  #backoff = 1;
  #againBackoff = 1;

  constructor(bounds: TimeoutBounds) {
    this.#bounds = bounds;
  }

  /** Milliseconds, backed off as often as {@link backOff} was called since the last measurement. */
  get ms(): number {
    return this.#backedOff(this.#backoff);
  }

  /**
   * Two pauses, because a confirmed frame that left twice tells nothing about the way's length, so what leaves anew
   * stays patient, but it does tell that the way is open (RFC 9002, section 6.2.1), so what is overdue need not wait.
   */
  get pauses(): Pauses {
    return { freshMs: this.ms, againMs: this.#backedOff(this.#againBackoff) };
  }

  /** A frame that was sent once only was confirmed after `ms` (Karn's algorithm, section 3). */
  measured(ms: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = ms;
      this.#variationMs = ms / 2;
    } else {
      this.#variationMs = (3 * this.#variationMs + Math.abs(this.#smoothedMs - ms)) / 4;
      this.#smoothedMs = (7 * this.#smoothedMs + ms) / 8;
    }
  }

  /** The reader is heard again: the next timeout is not backed off. */
  heard(): void {
    this.#backoff = 1;
    this.#againBackoff = 1;
  }

  /** Something was confirmed, though nothing that left once only. */
  progressed(): void {
    this.#againBackoff = 1;
  }

  /** Nothing came in time: twice as long from now on (section 5.5). */
  backOff(): void {
    this.#backoff = Math.min(this.#backoff * 2, 1024);
    this.#againBackoff = Math.min(this.#againBackoff * 2, 1024);
  }

  #backedOff(factor: number): number {
    const { firstMs, maxMs } = this.#bounds;
    const estimate = this.#smoothedMs === undefined ? firstMs : this.#smoothedMs + 4 * this.#variationMs;
    return Math.min(maxMs, Math.max(firstMs, estimate) * factor);
  }
}
