import type { Clock } from '../../core/ports.ts';

/** How often something may be done. */
export interface RateBounds {
  /** At once. */
  readonly burst: number;
  /** In the long run. */
  readonly perSecond: number;
}

/** Bounds a rate by the clock. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #bounds: RateBounds;
  #tokens: number;
  #filledAtMs: number;

  constructor(clock: Clock, bounds: RateBounds) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#tokens = bounds.burst;
    this.#filledAtMs = clock.now();
  }

  /** True where it may be done once more now; that is then counted. */
  take(): boolean {
    const { burst, perSecond } = this.#bounds;
    const now = this.#clock.now();
    // A clock that is set back gives nothing and takes nothing.
    const elapsedMs = Math.max(0, now - this.#filledAtMs);
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs * perSecond) / 1000);
    this.#filledAtMs = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
