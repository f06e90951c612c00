import { bytesToUtf8, concatBytes, equalBytes, utf8ToBytes } from './bytes.ts';
import { SealwireError } from './errors.ts';

const MAJOR = { uint: 0, negint: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6 } as const;
const NULL = 0xf6;
/** Arguments that stand in the head itself; then 1, 2, 4 or 8 bytes follow it. */
const SHORT_MAX = 23;
const LONGEST = 27;
const ASCII_BYTES_MAX = 128;
const MARK = Uint8Array.of(0x20);

/**
 * Reads CBOR item by item and takes nothing but the deterministic form that `CborWriter` writes: definite, shortest
 * lengths, integers that are safe in JavaScript. For structures whose shape is known, where it costs a small part of
 * `decodeCbor` and, with map keys asked for in their order, is as strict (a property test holds them equal). Every
 * method takes the next item if it is what was asked for, and throws `malformed` otherwise. Byte strings are views.
 */
export class CborReader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  /** Where the next item begins. */
  get at(): number {
    return this.#at;
  }

  /** True when nothing follows. */
  get done(): boolean {
    return this.#at === this.#data.length;
  }

  /** Throws unless nothing follows. */
  end(): void {
    if (!this.done) throw malformed('bytes follow the item');
  }

  /** Takes null where it comes next. */
  isNull(): boolean {
    if (this.#data[this.#at] !== NULL) return false;
    this.#at += 1;
    return true;
  }

  /** True where a text comes next. */
  get textNext(): boolean {
    return this.#majorNext === MAJOR.text;
  }

  /** True where a byte string comes next. */
  get bytesNext(): boolean {
    return this.#majorNext === MAJOR.bytes;
  }

  /** A whole number, safe as a JavaScript integer. */
  int(): number {
    return this.#majorNext === MAJOR.negint ? -1 - this.#argument(MAJOR.negint) : this.#argument(MAJOR.uint);
  }

  /** A whole number that is not negative. */
  uint(): number {
    return this.#argument(MAJOR.uint);
  }

  /** A byte string, of that length where one is given. */
  bytes(length?: number): Uint8Array {
    const bytes = this.#string(MAJOR.bytes);
    if (length !== undefined && bytes.length !== length) throw malformed(`${bytes.length} bytes in place of ${length}`);
    return bytes;
  }

  /** Text, well-formed UTF-8, of so many bytes at most. */
  text(bytesMax: number): string {
    const bytes = this.#string(MAJOR.text);
    if (bytes.length > bytesMax) throw malformed(`text of more than ${bytesMax} bytes`);
    const ascii = asciiOf(bytes);
    if (ascii !== null) return ascii;
    // A byte in front keeps the decoder from swallowing a byte order mark.
    const text = bytesToUtf8(concatBytes(MARK, bytes)).slice(MARK.length);
    // A lossy decoder would give two encodings one meaning: what was replaced does not encode back.
    if (!equalBytes(utf8ToBytes(text), bytes)) throw malformed('text is not UTF-8');
    return text;
  }

  /** An array's head; its items follow. */
  array(): number {
    return this.#argument(MAJOR.array);
  }

  /** A map's head; its keys follow, each with its value. */
  map(): number {
    return this.#argument(MAJOR.map);
  }

  /** A tag; its content follows. */
  tag(): number {
    return this.#argument(MAJOR.tag);
  }

  /** The integer `key` of a map, so that keys asked for in order have to stand in order. */
  key(key: number): this {
    if (this.int() !== key) throw malformed(`the map lacks key ${key}`);
    return this;
  }

  get #majorNext(): number {
    return (this.#data[this.#at] ?? NULL) >> 5;
  }

  #string(major: number): Uint8Array {
    const length = this.#argument(major);
    const end = this.#at + length;
    if (end > this.#data.length) throw malformed('it ends before its item does');
    const bytes = this.#data.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  #argument(major: number): number {
    const head = this.#data[this.#at];
    if (head === undefined) throw malformed('it ends before its item does');
    if (head >> 5 !== major) throw malformed('an item is not of the type that belongs there');
    this.#at += 1;
    const short = head & 0x1f;
    if (short <= SHORT_MAX) return short;
    if (short > LONGEST) throw malformed('a length is indefinite');
    return this.#following(2 ** (short - SHORT_MAX - 1));
  }

  #following(bytes: number): number {
    if (this.#at + bytes > this.#data.length) throw malformed('it ends before its item does');
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 0x100 + (this.#data[this.#at + i] ?? 0);
    this.#at += bytes;
    const lowest = bytes === 1 ? SHORT_MAX + 1 : 2 ** (4 * bytes);
    if (value < lowest) throw malformed('a number is longer than it needs to be');
    if (value > Number.MAX_SAFE_INTEGER) throw malformed('a number is too large');
    return value;
  }
}

/** Null where it is no ASCII, or so long that a decoder is faster. */
function asciiOf(bytes: Uint8Array): string | null {
  if (bytes.length > ASCII_BYTES_MAX) return null;
  let text = '';
  for (const byte of bytes) {
    if (byte >= 0x80) return null;
    text += String.fromCharCode(byte);
  }
  return text;
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not the CBOR that belongs here: ${why}.`);
}
