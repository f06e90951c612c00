import { parseArgs } from 'node:util';
import { hexToBytes } from '../../src/core/bytes.ts';
import { readCorpus } from './corpus.ts';
import { emptyTally, type Tally } from './fuzzing.ts';
import { judge } from './judge.ts';
import { workOff } from './pool.ts';
import type { Target } from './target.ts';
import { TARGETS } from './targets.ts';
import type { Order } from './watch.ts';

const HELP = `npm run fuzz [-- options]
  --runs N       inputs, over all targets; 100000 unless told
  --seed S       what all chance follows from; drawn unless told
  --target T     this target only
  --threads N    2 unless told
  --hang-ms N    an input that takes longer hangs; 10000 unless told
  --grow         write the corpus of each target anew, of what was found
  --input HEX    judge this one input of --target and say what becomes of it
  --json         { "seed", "runs", "crashes", "hangs", "acceptances", "targets": { … } }`;

/** Runs of one thread at a time: few enough that the last one is not waited for, each with its own chance. */
const SHARE_RUNS_MAX = 200_000;

class UsageError extends Error {}

interface Options {
  readonly runs: number;
  readonly seed: number;
  readonly threads: number;
  readonly hangMs: number;
  readonly grow: boolean;
  readonly targets: readonly Target[];
}

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError(`--${name} is a whole number, not ${text}`);
}

function chosen(name: string | undefined): readonly Target[] {
  if (name === undefined) return TARGETS;
  const found = TARGETS.filter((target) => target.name === name);
  if (found.length > 0) return found;
  throw new UsageError(`There is no target ${name}; there are ${TARGETS.map((target) => target.name).join(', ')}`);
}

function ordersOf({ runs, seed, grow, targets }: Options): Order[] {
  const weights = targets.reduce((sum, { weight }) => sum + weight, 0);
  return targets.flatMap(({ name, weight }) => {
    const all = Math.max(1, Math.round((runs * weight) / weights));
    const shares = grow ? 1 : Math.ceil(all / SHARE_RUNS_MAX);
    return Array.from({ length: shares }, (_, number): Order => {
      const part = Math.floor((all * (number + 1)) / shares) - Math.floor((all * number) / shares);
      return { target: name, share: { seed, number, runs: part, corpus: readCorpus(name) }, grow };
    });
  });
}

function add(sum: Tally, one: Tally): void {
  for (const key of ['runs', 'taken', 'refused', 'crashes', 'acceptances', 'hangs', 'ms'] as const)
    sum[key] += one[key];
  sum.slowestMs = Math.max(sum.slowestMs, one.slowestMs);
  sum.failures.push(...one.failures);
  for (const [code, count] of Object.entries(one.codes)) {
    const known = code as keyof Tally['codes'];
    sum.codes[known] = (sum.codes[known] ?? 0) + count;
  }
}

const HEADING = ['target', 'runs', 'refused', 'taken', 'crashes', 'hangs', 'acceptances', 'ms', 'slowest ms'];
const rowOf = (name: string, tally: Tally): readonly (string | number)[] => [
  name,
  ...[tally.runs, tally.refused, tally.taken, tally.crashes, tally.hangs, tally.acceptances],
  ...[Math.round(tally.ms), Math.round(tally.slowestMs)],
];

function line(cells: readonly (string | number)[]): string {
  return cells.map((cell, i) => (i === 0 ? `${cell}`.padEnd(28) : `${cell}`.padStart(i < 3 ? 9 : 11))).join(' ');
}

async function run(options: Options, write: (line: string) => void): Promise<Map<string, Tally>> {
  const tallies = new Map(options.targets.map(({ name }) => [name, emptyTally()]));
  const orders = ordersOf(options);
  const left = new Map<string, number>();
  for (const { target } of orders) left.set(target, (left.get(target) ?? 0) + 1);
  write(`seed ${options.seed}`);
  write(line(HEADING));
  await workOff(orders, {
    ...options,
    onTold: ({ target }, { tally, kept }) => {
      const sum = tallies.get(target) ?? emptyTally();
      add(sum, tally);
      for (const { type, hex, what } of tally.failures) {
        write(`${type} of ${target} with seed ${options.seed}: --target ${target} --input ${hex}\n${what}`);
      }
      left.set(target, (left.get(target) ?? 0) - 1);
      if (left.get(target) === 0) write(`${line(rowOf(target, sum))}${options.grow ? `  ${kept} kept` : ''}`);
    },
  });
  return tallies;
}

async function replay(name: string | undefined, hex: string): Promise<number> {
  const [target, ...rest] = chosen(name);
  if (!target || rest.length > 0) throw new UsageError('--input goes with --target');
  const verdict = await judge(await target.open(), hexToBytes(hex));
  process.stdout.write(
    `${verdict.type === 'refused' ? `refused ${verdict.code}: ${verdict.error.message}` : verdict.type}\n`,
  );
  if (verdict.type === 'taken' || verdict.type === 'refused') return 0;
  process.stdout.write(`${verdict.error instanceof Error ? verdict.error.stack : verdict.error}\n`);
  return 1;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      ...{
        runs: { type: 'string' },
        seed: { type: 'string' },
        target: { type: 'string' },
        threads: { type: 'string' },
      },
      ...{ 'hang-ms': { type: 'string' }, input: { type: 'string' }, grow: { type: 'boolean' } },
      ...{ json: { type: 'boolean' }, help: { type: 'boolean' } },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  if (values.input !== undefined) return await replay(values.target, values.input);
  const options: Options = {
    runs: numberOf('runs', values.runs, 100_000),
    seed: numberOf('seed', values.seed, Math.floor(Math.random() * 2 ** 32)),
    threads: numberOf('threads', values.threads, 2),
    hangMs: numberOf('hang-ms', values['hang-ms'], 10_000),
    grow: values.grow ?? false,
    targets: chosen(values.target),
  };
  const tallies = await run(options, (text) => (values.json ? process.stderr : process.stdout).write(`${text}\n`));
  const all = emptyTally();
  for (const tally of tallies.values()) add(all, tally);
  if (values.json) {
    const { runs, crashes, hangs, acceptances } = all;
    const report = { seed: options.seed, runs, crashes, hangs, acceptances, targets: Object.fromEntries(tallies) };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else process.stdout.write(`${line(rowOf('all', all))}\n`);
  return all.crashes + all.hangs + all.acceptances > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}.\n${HELP}\n`);
  process.exitCode = 2;
}
