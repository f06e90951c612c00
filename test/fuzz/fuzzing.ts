import { bytesToHex } from '../../src/core/bytes.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { Coverage } from './coverage.ts';
import { featureOf, judge, type Verdict } from './judge.ts';
import { mutate } from './mutate/mutate.ts';
import { Random, streamOf } from './random.ts';
import type { OpenTarget, Target } from './target.ts';

/** Something that must not be, with what brings it about again. */
export interface Failure {
  readonly target: string;
  readonly type: 'crash' | 'acceptance' | 'hang';
  readonly hex: string;
  readonly what: string;
}

/** What came of runs of one target. */
export interface Tally {
  runs: number;
  taken: number;
  refused: number;
  crashes: number;
  acceptances: number;
  hangs: number;
  ms: number;
  /** The longest that one input took. */
  slowestMs: number;
  /** By code, how often it was refused so. */
  codes: Partial<Record<ErrorCode, number>>;
  failures: Failure[];
}

/** A share of a run. */
export interface Share {
  readonly seed: number;
  /** Tells shares of one target apart. */
  readonly number: number;
  readonly runs: number;
  /** Inputs that reached something once. */
  readonly corpus: readonly Uint8Array[];
  /** Called with every input before it is judged, so that somebody else may notice that it never ends. */
  readonly onInput?: (input: Uint8Array) => void;
}

/** What a share gives. */
export interface ShareResult {
  readonly tally: Tally;
  /** The inputs that reached something new, seeds and corpus first. */
  readonly pool: readonly Uint8Array[];
}

const BATCH_MIN = 32;
const BATCH_MAX = 2048;
const BATCH_PER_WEIGHT = 200;
const FAILURES_MAX = 5;
/** Inputs over it are judged, but not built on: they are slow, and what they reach is a bound. */
const POOL_BYTES_MAX = 16 * 1024;
/** Let timers and the watch through now and then. */
const TURN_MS = 200;

/** An empty one. */
export function emptyTally(): Tally {
  return {
    ...{ runs: 0, taken: 0, refused: 0, crashes: 0, acceptances: 0, hangs: 0, ms: 0, slowestMs: 0 },
    codes: {},
    failures: [],
  };
}

/** Runs one share of a target: mutations of what reached something, and what they reach on top. */
export async function fuzz(target: Target, share: Share): Promise<ShareResult> {
  return await new Fuzzing(target, share, await target.open()).run();
}

class Fuzzing {
  readonly #target: Target;
  readonly #share: Share;
  readonly #open: OpenTarget;
  readonly #random: Random;
  readonly #coverage = new Coverage();
  readonly #features = new Set<string>();
  readonly #pool: Uint8Array[] = [];
  readonly #tally = emptyTally();

  constructor(target: Target, share: Share, open: OpenTarget) {
    this.#target = target;
    this.#share = share;
    this.#open = open;
    this.#random = new Random(share.seed, streamOf(`${target.name} ${share.number}`));
  }

  async run(): Promise<ShareResult> {
    const started = performance.now();
    let turnedAt = started;
    await this.#begin();
    let size = BATCH_MIN;
    // To find out what in a batch was new takes many times as long as the batch, which counts where inputs are dear.
    const batchMax = Math.max(BATCH_MIN, Math.min(BATCH_MAX, this.#target.weight * BATCH_PER_WEIGHT));
    for (let left = this.#share.runs; left > 0; ) {
      const batch = Array.from({ length: Math.min(size, left) }, () => this.#next());
      left -= batch.length;
      await this.#runBatch(batch);
      size = Math.min(batchMax, size * 2);
      if (performance.now() - turnedAt > TURN_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        turnedAt = performance.now();
      }
    }
    this.#tally.ms = performance.now() - started;
    return { tally: this.#tally, pool: this.#pool };
  }

  /** Seeds and corpus: everything is built on them, whether they reach something new or not. */
  async #begin(): Promise<void> {
    for (const input of [...this.#open.seeds, ...this.#share.corpus]) {
      this.#features.add(featureOf(await this.#judge(input)));
      this.#pool.push(input);
    }
    this.#coverage.reachedNew(true);
  }

  #next(): Uint8Array {
    const random = this.#random;
    // Half of them are made of what was found last.
    const { length } = this.#pool;
    const from = random.once(2) ? Math.max(0, length - 16) : 0;
    const input = this.#pool[from + random.below(length - from)] ?? new Uint8Array(0);
    return mutate(this.#target.mutator, random, input, random.pick(this.#pool));
  }

  async #runBatch(batch: readonly Uint8Array[]): Promise<void> {
    for (const input of batch) {
      const pending = this.#judge(input);
      const feature = featureOf(pending instanceof Promise ? await pending : pending);
      if (this.#features.has(feature)) continue;
      this.#features.add(feature);
      this.#keep(input);
    }
    if (!this.#coverage.reachedNew(false)) return;
    await this.#find(batch.slice(0, batch.length / 2));
    await this.#find(batch.slice(batch.length / 2));
  }

  /** Keeps those of a batch that reach something new, by halves. */
  async #find(batch: readonly Uint8Array[]): Promise<void> {
    for (const input of batch) {
      this.#share.onInput?.(input);
      const pending = judge(this.#open, input.slice());
      if (pending instanceof Promise) await pending;
    }
    const [only] = batch;
    if (!only || !this.#coverage.reachedNew(batch.length === 1)) return;
    if (batch.length === 1) return this.#keep(only);
    await this.#find(batch.slice(0, batch.length / 2));
    await this.#find(batch.slice(batch.length / 2));
  }

  #keep(input: Uint8Array): void {
    if (input.length <= POOL_BYTES_MAX && this.#pool.at(-1) !== input) this.#pool.push(input);
  }

  #judge(input: Uint8Array): Verdict | Promise<Verdict> {
    this.#share.onInput?.(input);
    const started = performance.now();
    // A copy: whoever writes into what was received would spoil what is built on it.
    const pending = judge(this.#open, input.slice());
    const count = (verdict: Verdict): Verdict => this.#count(input, verdict, performance.now() - started);
    return pending instanceof Promise ? pending.then(count) : count(pending);
  }

  #count(input: Uint8Array, verdict: Verdict, ms: number): Verdict {
    const tally = this.#tally;
    tally.runs += 1;
    tally.slowestMs = Math.max(tally.slowestMs, ms);
    if (verdict.type === 'taken') tally.taken += 1;
    else if (verdict.type === 'refused') {
      tally.refused += 1;
      tally.codes[verdict.code] = (tally.codes[verdict.code] ?? 0) + 1;
    } else {
      if (verdict.type === 'crash') tally.crashes += 1;
      else tally.acceptances += 1;
      if (tally.failures.length < FAILURES_MAX) tally.failures.push(this.#failure(input, verdict.type, verdict.error));
    }
    return verdict;
  }

  #failure(input: Uint8Array, type: Failure['type'], error: unknown): Failure {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { target: this.#target.name, type, hex: bytesToHex(input), what };
  }
}
