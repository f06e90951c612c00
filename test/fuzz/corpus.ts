import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { bytesToHex, hexToBytes } from '../../src/core/bytes.ts';
import { Coverage } from './coverage.ts';
import { featureOf, judge } from './judge.ts';
import type { Target } from './target.ts';

const DIRECTORY = new URL('corpus/', import.meta.url);
/** So that a checkout stays small and all of it is replayed in a few seconds. */
const INPUTS_MAX = 32;
const BYTES_MAX = 12 * 1024;

function fileOf(name: string): URL {
  return new URL(`${name}.hex`, DIRECTORY);
}

/** The inputs that are kept for a target: one a line in hex; lines with `#` say what one of them once broke. */
export function readCorpus(name: string): Uint8Array[] {
  const file = fileOf(name);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map(hexToBytes);
}

/** What stands before a line with `#` and under it stays whatever else is written anew. */
function findingsIn(name: string): string[] {
  const file = fileOf(name);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line, i) => (line.startsWith('#') ? [line, lines[i + 1] ?? ''] : []));
}

/** Keeps of `inputs` the fewest and shortest that reach what all of them reach beyond the target's own seeds. */
export async function writeCorpus(target: Target, inputs: readonly Uint8Array[]): Promise<number> {
  const open = await target.open();
  const coverage = new Coverage();
  const features = new Set<string>();
  const reaches = async (input: Uint8Array): Promise<boolean> => {
    const feature = featureOf(await judge(open, input.slice()));
    const isNew = coverage.reachedNew(true) || !features.has(feature);
    features.add(feature);
    return isNew;
  };
  for (const seed of open.seeds) await reaches(seed);
  const kept: string[] = [];
  let bytes = 0;
  for (const input of inputs.toSorted((a, b) => a.length - b.length)) {
    bytes += input.length;
    if (kept.length === INPUTS_MAX || bytes > BYTES_MAX) break;
    if (await reaches(input)) kept.push(bytesToHex(input));
    else bytes -= input.length;
  }
  const lines = [...findingsIn(target.name), ...kept];
  mkdirSync(DIRECTORY, { recursive: true });
  if (lines.length > 0) writeFileSync(fileOf(target.name), `${lines.join('\n')}\n`);
  return kept.length;
}
