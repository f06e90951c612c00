import { SealwireError } from '../core/errors.ts';

/** A unit on a stream is its length, 4 bytes big-endian, then its bytes. */
const LENGTH_BYTES = 4;

/** Where a unit's bytes gather at first, before more than this has come. */
const FIRST_BYTES = 4096;

/** `unit` as it goes over a stream; a copy. */
export function frameUnit(unit: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(LENGTH_BYTES + unit.length);
  framed.writeUInt32BE(unit.length);
  framed.set(unit, LENGTH_BYTES);
  return framed;
}

/**
 * Cuts a stream back into units. Memory follows what has arrived, never what a length claims: a unit's bytes gather in
 * a buffer that doubles as it fills, so that each byte is copied a bounded number of times.
 */
export class UnitReader {
  readonly #unitBytesMax: number;
  readonly #header = new Uint8Array(LENGTH_BYTES);
  #headerFilled = 0;
  #unitBytes = 0;
  #unit = new Uint8Array(0);
  #unitFilled = 0;

  constructor(unitBytesMax: number) {
    this.#unitBytesMax = unitBytesMax;
  }

  /** True between a unit's first byte and its last. */
  get begun(): boolean {
    return this.#headerFilled > 0;
  }

  /**
   * Takes the next bytes of the stream and hands each unit that they complete to `deliver`. Throws `too-large` or
   * `malformed` for a length out of bounds, after the units before it; the stream is of no use then.
   */
  push(chunk: Uint8Array, deliver: (unit: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.length) {
      at = this.#headerFilled < LENGTH_BYTES ? this.#takeHeader(chunk, at) : this.#takeUnit(chunk, at, deliver);
    }
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + LENGTH_BYTES - this.#headerFilled);
    this.#header.set(part, this.#headerFilled);
    this.#headerFilled += part.length;
    if (this.#headerFilled === LENGTH_BYTES) {
      this.#unitBytes = this.#checkedLength();
      this.#unitFilled = 0;
    }
    return at + part.length;
  }

  #checkedLength(): number {
    const length = new DataView(this.#header.buffer).getUint32(0);
    if (length === 0) throw new SealwireError('malformed', 'The far end sent a unit without bytes.');
    if (length > this.#unitBytesMax) {
      throw new SealwireError(
        'too-large',
        `The far end announces a unit of ${length} bytes, over the bound of ${this.#unitBytesMax}.`,
        { hint: 'Whatever is at that address may not speak Sealwire.' },
      );
    }
    return length;
  }

  #takeUnit(chunk: Uint8Array, at: number, deliver: (unit: Uint8Array) => void): number {
    const part = chunk.subarray(at, at + this.#unitBytes - this.#unitFilled);
    if (part.length === this.#unitBytes) {
      // A copy, since a short unit would keep a long chunk alive; `Buffer.slice` would not be one.
      this.#headerFilled = 0;
      deliver(new Uint8Array(part));
      return at + part.length;
    }
    this.#makeRoom(this.#unitFilled + part.length);
    this.#unit.set(part, this.#unitFilled);
    this.#unitFilled += part.length;
    if (this.#unitFilled === this.#unitBytes) {
      const whole = this.#unit.length === this.#unitBytes ? this.#unit : this.#unit.slice(0, this.#unitBytes);
      this.#unit = new Uint8Array(0);
      this.#headerFilled = 0;
      deliver(whole);
    }
    return at + part.length;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#unit.length) return;
    const grown = new Uint8Array(Math.min(this.#unitBytes, Math.max(FIRST_BYTES, bytes, 2 * this.#unit.length)));
    grown.set(this.#unit.subarray(0, this.#unitFilled));
    this.#unit = grown;
  }
}
