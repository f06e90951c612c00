import { concatBytes } from '../../../src/core/bytes.ts';
import type { Random } from '../random.ts';

const TELLING = [0, 1, 0x17, 0x18, 0x1f, 0x20, 0x2f, 0x3a, 0x40, 0x58, 0x5f, 0x7f, 0x80, 0x9f, 0xbf, 0xd2, 0xf6, 0xff];
const LENGTHS = [1, 2, 4, 8, 16, 32, 64];

type Step = (random: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array;

function at(random: Random, { length }: Uint8Array): number {
  return random.below(Math.max(1, length));
}

function replaced(bytes: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array {
  return concatBytes(bytes.subarray(0, from), by, bytes.subarray(to));
}

function changedAt(bytes: Uint8Array, place: number, change: (byte: number) => number): Uint8Array {
  if (bytes.length === 0) return bytes;
  const changed = bytes.slice();
  changed[place] = change(changed[place] ?? 0);
  return changed;
}

/** The kinds of damage that know nothing of a structure. */
const STEPS: readonly Step[] = [
  (random, bytes) => changedAt(bytes, at(random, bytes), (byte) => byte ^ (1 << random.below(8))),
  (random, bytes) => changedAt(bytes, at(random, bytes), () => random.pick(TELLING)),
  (random, bytes) => changedAt(bytes, at(random, bytes), (byte) => byte + (random.once(2) ? 1 : 255)),
  (random, bytes) => bytes.slice(0, at(random, bytes)),
  (random, bytes) => bytes.slice(at(random, bytes)),
  (random, bytes) => {
    const from = at(random, bytes);
    return replaced(bytes, from, Math.min(bytes.length, from + random.pick(LENGTHS)), new Uint8Array(0));
  },
  (random, bytes) => {
    const from = at(random, bytes);
    return replaced(bytes, from, from, random.bytes(random.pick(LENGTHS)));
  },
  (random, bytes) => {
    const from = at(random, bytes);
    return replaced(bytes, from, from, bytes.subarray(from, from + random.pick(LENGTHS)));
  },
  (random, bytes) => {
    const from = at(random, bytes);
    const part = new Uint8Array(random.pick(LENGTHS)).fill(random.pick(TELLING));
    return replaced(bytes, from, Math.min(bytes.length, from + part.length), part);
  },
  (random, bytes, other) => replaced(bytes, at(random, bytes), bytes.length, other.subarray(at(random, other))),
  (random, bytes, other) => {
    const [from, there, length] = [at(random, bytes), at(random, other), random.pick(LENGTHS)];
    return replaced(bytes, from, Math.min(bytes.length, from + length), other.subarray(there, there + length));
  },
];

/** Damages bytes once, whatever they stand for; `other` is what a piece may be taken from. */
export function mutateBytes(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  return random.pick(STEPS)(random, bytes, other);
}
