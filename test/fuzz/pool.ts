import { Worker } from 'node:worker_threads';
import { bytesToHex } from '../../src/core/bytes.ts';
import { emptyTally, type Failure } from './fuzzing.ts';
import { type Order, type Told, Watch } from './watch.ts';

/** How a run is watched. */
export interface PoolOptions {
  readonly threads: number;
  /** An input that takes longer hangs. */
  readonly hangMs: number;
  readonly onTold: (order: Order, told: Told) => void;
}

const LOOK_MS = 500;
const HEAP_MIB_MAX = 1024;

/** Works off orders in threads; one that hangs or dies is a finding, and a new thread goes on with the next order. */
export async function workOff(orders: readonly Order[], options: PoolOptions): Promise<void> {
  const left = [...orders];
  const threads = Math.min(options.threads, orders.length);
  await Promise.all(
    Array.from({ length: threads }, async () => {
      let thread = new Thread();
      for (let order = left.shift(); order; order = left.shift()) {
        const told = await thread.run(order, options.hangMs);
        options.onTold(order, told);
        if (thread.isDead) thread = new Thread();
      }
      await thread.close();
    }),
  );
}

class Thread {
  readonly #watch = new Watch();
  readonly #worker: Worker;
  isDead = false;

  constructor() {
    this.#worker = new Worker(new URL('worker.ts', import.meta.url), {
      workerData: this.#watch.memory,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
    });
  }

  async run(order: Order, hangMs: number): Promise<Told> {
    const done = Promise.withResolvers<Told>();
    const before = this.#watch.count;
    const fail = (type: Failure['type'], what: string): void => {
      this.isDead = true;
      void this.#worker.terminate();
      done.resolve({ tally: this.#tallyOf(order, before, { type, what }), kept: 0 });
    };
    const onTold = (told: Told): void => done.resolve(told);
    const onError = (error: unknown): void => fail('crash', error instanceof Error ? (error.stack ?? '') : `${error}`);
    let [count, since] = [before, performance.now()];
    const timer = setInterval(() => {
      const { count: now, input } = this.#watch;
      if (now !== count || !input) [count, since] = [now, performance.now()];
      else if (performance.now() - since > hangMs) fail('hang', `no end after ${hangMs} ms`);
    }, LOOK_MS);
    this.#worker.on('message', onTold).on('error', onError);
    this.#worker.postMessage(order);
    try {
      return await done.promise;
    } finally {
      clearInterval(timer);
      this.#worker.off('message', onTold).off('error', onError);
      if (this.isDead) this.#worker.on('error', () => {});
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  /** What a thread that can tell nothing any more has done. */
  #tallyOf({ target }: Order, before: number, { type, what }: Pick<Failure, 'type' | 'what'>): Told['tally'] {
    const hex = bytesToHex(this.#watch.input ?? new Uint8Array(0));
    return {
      ...emptyTally(),
      runs: this.#watch.count - before,
      crashes: type === 'crash' ? 1 : 0,
      hangs: type === 'hang' ? 1 : 0,
      failures: [{ target, type, hex, what }],
    };
  }
}
