/** What {@link compareRates} found. */
export interface Comparison {
  /** Median over the rounds of how often `ours` runs a second. */
  readonly oursPerSecond: number;
  readonly barePerSecond: number;
  /** Median over the rounds of our rate over the bare rate just before and after it. */
  readonly ratio: number;
}

/** How {@link compareRates} measures. */
export interface Rounds {
  readonly rounds: number;
  /** Runs of each function in a round. */
  readonly runs: number;
}

type Run = () => unknown;

/** Does something so many times, and gives the seconds that one of them took. */
export type TimedRuns = (runs: number) => Promise<number>;

/**
 * Times two functions that do the same work, ours and the bare primitives. They take turns, half of the bare runs
 * before ours and half after, so that a machine that slows down slows down both; one round to warm up is not counted.
 * A function that gives a promise is awaited, run by run.
 */
export function compareRates(ours: Run, bare: Run, rounds: Rounds): Promise<Comparison> {
  return compareTimed(
    (runs) => secondsEach(ours, runs),
    (runs) => secondsEach(bare, runs),
    rounds,
  );
}

/** As {@link compareRates}, for what many runs share and what measures its time itself. */
export async function compareTimed(ours: TimedRuns, bare: TimedRuns, { rounds, runs }: Rounds): Promise<Comparison> {
  const half = Math.max(1, Math.ceil(runs / 2));
  const found = { ours: [] as number[], bare: [] as number[], ratios: [] as number[] };
  for (let round = -1; round < rounds; round++) {
    const before = await bare(half);
    const own = await ours(runs);
    const after = await bare(half);
    if (round < 0) continue;
    const bareSeconds = (before + after) / 2;
    found.ours.push(1 / own);
    found.bare.push(1 / bareSeconds);
    found.ratios.push(bareSeconds / own);
  }
  return { oursPerSecond: median(found.ours), barePerSecond: median(found.bare), ratio: median(found.ratios) };
}

async function secondsEach(run: Run, runs: number): Promise<number> {
  const start = process.hrtime.bigint();
  for (let i = 0; i < runs; i++) {
    const result = run();
    if (result instanceof Promise) await result;
  }
  return Number(process.hrtime.bigint() - start) / 1e9 / runs;
}

/** The middle value; of an even number of them the upper middle. NaN of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
