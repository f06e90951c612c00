import type { Random } from '../../fuzz/random.ts';
import { type CutHow, drawn, type FaultPlan, type Range } from './plan.ts';

/** What comes of bytes: they pass, altered perhaps, or something happens between them, after the first `at` of all. */
export type Step =
  | { readonly type: 'pass'; readonly bytes: Uint8Array }
  | { readonly type: 'stall'; readonly at: number; readonly forMs: number }
  | { readonly type: 'cut'; readonly at: number; readonly how: CutHow };

/** Where in a stream something happens, again and again. */
class Mark {
  readonly #random: Random;
  readonly #afterBytes: Range | undefined;
  at: number;

  constructor(random: Random, afterBytes: Range | undefined) {
    this.#random = random;
    this.#afterBytes = afterBytes;
    this.at = this.#from(0);
  }

  /** It has happened here: the next one is drawn. */
  next(): void {
    this.at = this.#from(this.at);
  }

  #from(at: number): number {
    return this.#afterBytes ? at + Math.max(1, drawn(this.#random, this.#afterBytes)) : Number.POSITIVE_INFINITY;
  }
}

/** A fault that a plan brings about by position. */
export type ByteFault = 'cut' | 'stall' | 'corrupt';

/** Decides what befalls one direction of one connection, by the position in its bytes alone. */
export class ByteFaults {
  readonly #random: Random;
  readonly #plan: FaultPlan;
  readonly #cut: Mark;
  readonly #stall: Mark;
  readonly #corrupt: Mark;
  readonly #allows: (fault: ByteFault, at: number) => boolean;
  #at = 0;

  /**
   * `randomOf` gives each kind of fault chance of its own: what one draws shifts no other. `allows` is asked at each,
   * with the number of bytes before it, and where it says no, nothing happens there.
   */
  constructor(plan: FaultPlan, randomOf: (kind: number) => Random, allows: (fault: ByteFault, at: number) => boolean) {
    this.#plan = plan;
    this.#allows = allows;
    this.#random = randomOf(3);
    this.#cut = new Mark(randomOf(0), plan.cut?.afterBytes);
    this.#stall = new Mark(randomOf(1), plan.stall?.afterBytes);
    this.#corrupt = new Mark(randomOf(2), plan.corrupt?.afterBytes);
  }

  /** What to do about the bytes that come next, in order; nothing follows a cut. */
  take(chunk: Uint8Array): Step[] {
    const steps: Step[] = [];
    const startAt = this.#at;
    while (this.#at - startAt < chunk.length) {
      const end = Math.min(startAt + chunk.length, this.#cut.at, this.#stall.at);
      steps.push(this.#pass(chunk.subarray(this.#at - startAt, end - startAt)));
      this.#at = end;
      if (end === this.#stall.at) {
        this.#stall.next();
        const forMs = drawn(this.#random, this.#plan.stall?.forMs ?? [0, 0]);
        if (this.#allows('stall', end)) steps.push({ type: 'stall', at: end, forMs });
      }
      if (end === this.#cut.at) {
        this.#cut.next();
        if (!this.#allows('cut', end)) continue;
        steps.push({ type: 'cut', at: end, how: this.#plan.cut?.how ?? 'reset' });
        break;
      }
    }
    return steps;
  }

  #pass(bytes: Uint8Array): Step {
    let altered: Uint8Array | undefined;
    for (; this.#corrupt.at <= this.#at + bytes.length; this.#corrupt.next()) {
      const bit = 1 << this.#random.below(8);
      if (!this.#allows('corrupt', this.#corrupt.at)) continue;
      altered ??= new Uint8Array(bytes);
      const i = this.#corrupt.at - 1 - this.#at;
      altered[i] = (altered[i] ?? 0) ^ bit;
    }
    return { type: 'pass', bytes: altered ?? bytes };
  }
}
