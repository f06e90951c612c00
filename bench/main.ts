import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Bench, BenchOptions, Row } from './row.ts';

const HELP = `npm run bench [-- options]
  --only NAME  only the benches with a row whose name contains NAME
  --whole NAME all rows of the bench with the row NAME, in this process
  --large      also the sizes that take minutes
  --json       { "rows": [{ "name", "value", "unit", "ratio", "against" }] }`;

const NOT_BENCHES: readonly string[] = ['main.ts', 'measure.ts', 'row.ts'];

/** Every other module of this directory is a bench: whatever it exports that has rows to run. */
async function loadBenches(): Promise<Bench[]> {
  const files = readdirSync(new URL('.', import.meta.url)).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !NOT_BENCHES.includes(file),
  );
  const modules: Record<string, unknown>[] = await Promise.all(files.toSorted().map((file) => import(`./${file}`)));
  return modules.flatMap((module) => Object.values(module).filter(isBench));
}

function isBench(value: unknown): value is Bench {
  return typeof value === 'object' && value !== null && 'names' in value && 'run' in value;
}

async function measure(options: BenchOptions, only: string | undefined): Promise<Row[]> {
  const benches = await loadBenches();
  const wanted = (name: string): boolean => only === undefined || name.includes(only);
  const chosen = benches.filter(({ names }) => names.some(wanted));
  if (chosen.length === 0) {
    const names = benches.flatMap((bench) => bench.names);
    throw new UsageError(`No bench has a row with “${only}” in its name; there are ${names.join(', ')}.`);
  }
  const rows: Row[] = [];
  for (const bench of chosen) {
    process.stderr.write(process.stderr.isTTY ? `measuring ${bench.names.join(', ')} …\n` : '');
    rows.push(...(await runWithFlags(bench, options)).filter(({ name }) => wanted(name)));
  }
  return rows;
}

/** Runs a bench here, or in a process of its own where it asks for flags that this one was not started with. */
async function runWithFlags(bench: Bench, options: BenchOptions): Promise<Row[]> {
  const flags = bench.nodeFlags ?? [];
  if (flags.every((flag) => process.execArgv.includes(flag))) return bench.run(options);
  const args = [...flags, fileURLToPath(import.meta.url), '--json', ...(options.large ? ['--large'] : [])];
  const { stdout, status } = spawnSync(process.execPath, [...args, '--whole', bench.names[0] ?? ''], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the bench with ${bench.names.join(', ')} failed`);
  return (JSON.parse(stdout) as { readonly rows: Row[] }).rows;
}

/** All rows of the bench that has this one. */
async function runWhole(name: string, options: BenchOptions): Promise<Row[]> {
  const bench = (await loadBenches()).find(({ names }) => names.includes(name));
  if (!bench) throw new UsageError(`No bench has a row named “${name}”.`);
  return bench.run(options);
}

class UsageError extends Error {}

function number(value: number): string {
  const digits = value >= 100 ? 0 : 2;
  return value.toLocaleString('en-GB', { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

function table(rows: readonly Row[]): string {
  const cells = rows.map(({ name, value, unit, ratio, against }) => [
    name,
    number(value),
    unit,
    ratio === null ? '–' : ratio.toFixed(2),
    against ?? '',
  ]);
  const all = [['row', 'value', 'unit', 'ratio', 'against'], ...cells];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  const rightAligned = (column: number): boolean => column === 1 || column === 3;
  const pad = (cell: string, column: number): string =>
    rightAligned(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return all.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string' },
        whole: { type: 'string' },
        large: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

try {
  const { only, whole, large, json, help } = readOptions();
  if (help) process.stdout.write(`${HELP}\n`);
  else {
    const rows = await (whole === undefined ? measure({ large }, only) : runWhole(whole, { large }));
    process.stdout.write(`${json ? JSON.stringify({ rows }) : table(rows)}\n`);
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}\n\n${HELP}\n`);
  process.exitCode = 2;
}
