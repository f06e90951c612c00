import { bytesToHex, equalBytes } from '../../src/core/bytes.ts';
import type { Eventually } from '../../src/core/ports.ts';
import type { MutatorName } from './mutate/mutate.ts';

/** Something that reads bytes which anybody may have written. */
export interface Target {
  /** As `--target` and its file of the corpus name it. */
  readonly name: string;
  /** What its inputs are made of, so that mutations of them go deep. */
  readonly mutator: MutatorName;
  /** Its part of all runs, in proportion to that of others: cheap ones get more. */
  readonly weight: number;
  open(): Eventually<OpenTarget>;
}

/** A target with all that it needs at hand. */
export interface OpenTarget {
  /** Inputs of the project’s own making, the same in every run. The first is genuine and taken; all are built on. */
  readonly seeds: readonly Uint8Array[];
  /**
   * Hands the bytes to the real code, with a state as fresh as if nothing had come before. Returns where they are
   * taken; throws a `SealwireError` where they are refused, {@link Unsound} where they should have been, and anything
   * else where the code is at fault.
   */
  judge(input: Uint8Array): Eventually<void>;
}

/** Bytes were taken that nobody genuine has written, or that are not the one encoding of what was read. */
export class Unsound extends Error {
  override readonly name = 'Unsound';
}

/** Throws {@link Unsound} where what was taken is none of what genuine senders have made. */
export function onlyGenuine(genuine: readonly Uint8Array[]): (taken: Uint8Array) => void {
  const known = new Set(genuine.map(bytesToHex));
  return (taken) => {
    if (!known.has(bytesToHex(taken))) throw new Unsound('something was believed that nobody genuine has made');
  };
}

/** Throws {@link Unsound} unless the two are the same bytes. */
export function sameBytes(encoded: Uint8Array, input: Uint8Array): void {
  if (!equalBytes(encoded, input)) throw new Unsound(`it was read, but encodes as ${bytesToHex(encoded)}`);
}

/** What a {@link codec} is made of. */
export interface Codec {
  readonly name: string;
  readonly mutator?: MutatorName;
  readonly seeds: () => Eventually<readonly Uint8Array[]>;
  /** Decodes and encodes again. */
  readonly again: (input: Uint8Array) => Uint8Array;
}

/** A target that decodes: whatever it takes has to encode as the very bytes that were read. */
export function codec({ name, seeds, again, mutator = 'cbor' }: Codec): Target {
  return {
    name,
    mutator,
    weight: 10,
    open: async () => ({ seeds: await seeds(), judge: (input) => sameBytes(again(input), input) }),
  };
}
