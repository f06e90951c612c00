import { isSealwireError, SealwireError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';

/** From when to when a certificate is valid, milliseconds since 1970. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What {@link Renewing} is made of. */
export interface RenewingOptions {
  readonly clock: Clock;
  /** Of the certificate that there is. */
  readonly validity: Validity;
  /** Gets another one into use and says how long that is valid. `stopped` resolves where nobody waits any more. */
  readonly renew: (stopped: Promise<void>) => Promise<Validity>;
  /** Told of each try that failed; it is tried again. Must not throw. */
  readonly onFailed?: (error: SealwireError) => void;
}

/** Somebody may set the clock, and timers do not run for weeks: so often it is looked at least. */
const LOOK_MS: number = 6 * 60 * 60_000;
/** Between tries. */
const PAUSE_MS = { first: 60_000, max: LOOK_MS } as const;

/** When less than a third of a certificate's time is left, milliseconds since 1970. */
export function renewalDueMs({ notBeforeMs, notAfterMs }: Validity): number {
  return notAfterMs - (notAfterMs - notBeforeMs) / 3;
}

/** Renews a certificate when less than a third of its time is left, as long as it is not stopped. */
export class Renewing {
  readonly #options: RenewingOptions;
  readonly #stopped = Promise.withResolvers<void>();
  #validity: Validity;
  #pauseMs: number = PAUSE_MS.first;
  #isStopped = false;
  #cancel = (): void => {};

  /** Begins at once where it is due. */
  constructor(options: RenewingOptions) {
    this.#options = options;
    this.#validity = options.validity;
    this.#look();
  }

  /** No more tries; one that is under way comes to nothing. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    this.#stopped.resolve();
  }

  #look(): void {
    const leftMs = renewalDueMs(this.#validity) - this.#options.clock.now();
    if (leftMs > 0) this.#after(Math.min(leftMs, LOOK_MS));
    else void this.#try();
  }

  #after(ms: number): void {
    if (!this.#isStopped) this.#cancel = this.#options.clock.after(ms, () => this.#look());
  }

  async #try(): Promise<void> {
    try {
      this.#validity = await this.#options.renew(this.#stopped.promise);
      this.#pauseMs = PAUSE_MS.first;
      // A certificate that is due when it is new must not be asked for without end.
      this.#after(Math.max(PAUSE_MS.first, Math.min(LOOK_MS, this.#leftMs())));
    } catch (cause) {
      if (this.#isStopped) return;
      const error = isSealwireError(cause)
        ? cause
        : new SealwireError('internal', 'A certificate was not renewed.', { cause });
      this.#options.onFailed?.(error);
      this.#after(this.#pauseMs);
      this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS.max);
    }
  }

  #leftMs(): number {
    return renewalDueMs(this.#validity) - this.#options.clock.now();
  }
}
