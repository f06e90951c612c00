import { ageMs } from '../mqtt/topics.ts';
import { numberOf } from './message.ts';

/** What came on one line, by number. */
export interface Came {
  /** How often each number came. */
  readonly times: Uint8Array;
  /** Milliseconds that each message took, in the order of coming. */
  readonly agesMs: readonly number[];
  /** When the last one came: nanoseconds of a clock that all processes of a machine share. */
  readonly lastNs: bigint;
}

/** Counts what comes. */
export class Tally {
  #times = new Uint8Array(1024);
  #agesMs: number[] = [];
  #lastNs = 0n;
  #distinct = 0;

  /** Messages that came at least once. */
  get distinct(): number {
    return this.#distinct;
  }

  readonly take = (payload: Uint8Array): void => {
    const number = numberOf(payload);
    if (number >= this.#times.length) this.#grow(number);
    const before = this.#times[number] ?? 0;
    this.#times[number] = Math.min(255, before + 1);
    if (before === 0) this.#distinct += 1;
    this.#agesMs.push(ageMs(payload));
    this.#lastNs = process.hrtime.bigint();
  };

  get came(): Came {
    return { times: this.#times, agesMs: this.#agesMs, lastNs: this.#lastNs };
  }

  /** As if nothing had come yet. */
  clear(): void {
    this.#times.fill(0);
    this.#agesMs = [];
    this.#distinct = 0;
  }

  #grow(number: number): void {
    const times = new Uint8Array(Math.max(number + 1, this.#times.length * 2));
    times.set(this.#times);
    this.#times = times;
  }
}
