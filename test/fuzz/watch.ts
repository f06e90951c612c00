import type { Share, Tally } from './fuzzing.ts';

/** What a thread is told to do. */
export interface Order {
  readonly target: string;
  readonly share: Omit<Share, 'onInput'>;
  /** Write the target's corpus anew, of what was found. */
  readonly grow: boolean;
}

/** What it tells when it is done. */
export interface Told {
  readonly tally: Tally;
  /** Inputs in the corpus that was written. */
  readonly kept: number;
}

const INPUT_BYTES_MAX = 256 * 1024;
const HEAD_BYTES = 8;

/**
 * Memory that a thread shares with who watches over it: a count that goes up with each input, and the input itself, for
 * a thread that hangs or dies can tell nothing any more.
 */
export class Watch {
  readonly memory: SharedArrayBuffer;
  readonly #head: Int32Array;
  readonly #input: Uint8Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEAD_BYTES + INPUT_BYTES_MAX)) {
    this.memory = memory;
    this.#head = new Int32Array(memory, 0, 2);
    this.#input = new Uint8Array(memory, HEAD_BYTES);
  }

  /** This is judged now. */
  note(input: Uint8Array): void {
    const part = input.subarray(0, INPUT_BYTES_MAX);
    this.#input.set(part);
    Atomics.store(this.#head, 1, part.length);
    Atomics.add(this.#head, 0, 1);
  }

  /** Nothing is. */
  rest(): void {
    Atomics.store(this.#head, 1, -1);
  }

  get count(): number {
    return Atomics.load(this.#head, 0);
  }

  /** What is judged; undefined for nothing. */
  get input(): Uint8Array | undefined {
    const length = Atomics.load(this.#head, 1);
    return length < 0 || this.count === 0 ? undefined : this.#input.slice(0, length);
  }
}
