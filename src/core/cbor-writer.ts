import { utf8ToBytes } from './bytes.ts';

const MAJOR = { uint: 0, negint: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6 } as const;
const NULL = 0xf6;
const HEAD_BYTES_MAX = 9;

/** What is written one after the other and soon let go of shares memory, as Node's Buffers do. */
const SLAB_BYTES = 32_768;
const FROM_SLAB_BYTES_MAX = 4096;
let slab = new Uint8Array(0);
let slabUsed = 0;

function roomInSlab(bytes: number): Uint8Array {
  if (bytes > FROM_SLAB_BYTES_MAX) return new Uint8Array(bytes);
  if (slabUsed + bytes > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const room = slab.subarray(slabUsed, slabUsed + bytes);
  slabUsed += bytes;
  return room;
}

/**
 * Writes CBOR item by item, in the same deterministic form as `encodeCbor` (a property test holds them equal). For the
 * few structures that every frame is made of: a general encoder, which has to find out what it is given, costs a
 * multiple there. Map keys are the caller's to sort.
 */
export class CborWriter {
  #buffer: Uint8Array;
  #length = 0;

  /** Writes into `buffer`, which is then the writer's own, or where it is too small into one that it makes. */
  constructor(expectedBytes = 512, buffer: Uint8Array = new Uint8Array(expectedBytes)) {
    this.#buffer = buffer;
  }

  /**
   * For what is hashed, signed, copied or joined at once. It shares memory with its neighbours, because an allocation for
   * each costs more than the writing; whoever keeps one keeps them all.
   */
  static shortLived(expectedBytes: number): CborWriter {
    return new CborWriter(expectedBytes, roomInSlab(expectedBytes));
  }

  /** A whole number, safe as a JavaScript integer. */
  int(value: number): this {
    return value < 0 ? this.#head(MAJOR.negint, -1 - value) : this.#head(MAJOR.uint, value);
  }

  bytes(value: Uint8Array): this {
    return this.#head(MAJOR.bytes, value.length).raw(value);
  }

  text(value: string): this {
    this.#room(HEAD_BYTES_MAX + value.length);
    const start = this.#length;
    this.#head(MAJOR.text, value.length);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code < 0x80) this.#buffer[this.#length++] = code;
      else {
        this.#length = start;
        return this.#utf8(value);
      }
    }
    return this;
  }

  #utf8(value: string): this {
    const utf8 = utf8ToBytes(value);
    return this.#head(MAJOR.text, utf8.length).raw(utf8);
  }

  null(): this {
    this.#room(1);
    this.#buffer[this.#length++] = NULL;
    return this;
  }

  /** Begins an array; `count` items have to follow. */
  array(count: number): this {
    return this.#head(MAJOR.array, count);
  }

  /** Begins a map; `count` keys with their values have to follow, keys in bytewise order. */
  map(count: number): this {
    return this.#head(MAJOR.map, count);
  }

  /** A tag; its content has to follow. */
  tag(number: number): this {
    return this.#head(MAJOR.tag, number);
  }

  /** Bytes that are CBOR already. */
  raw(encoded: Uint8Array): this {
    this.#room(encoded.length);
    this.#buffer.set(encoded, this.#length);
    this.#length += encoded.length;
    return this;
  }

  /** Begins anew. What {@link finish} gave before is overwritten: for bytes that nobody keeps. */
  restart(): this {
    this.#length = 0;
    return this;
  }

  /** What was written. The writer is spent: the bytes are its own buffer. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #head(major: number, value: number): this {
    this.#room(HEAD_BYTES_MAX);
    const type = major << 5;
    if (value < 24) this.#buffer[this.#length++] = type | value;
    else if (value < 0x100) this.#big(type | 24, value, 1);
    else if (value < 0x1_0000) this.#big(type | 25, value, 2);
    else if (value < 0x1_0000_0000) this.#big(type | 26, value, 4);
    else this.#big(type | 27, value, 8);
    return this;
  }

  #big(first: number, value: number, bytes: number): void {
    this.#buffer[this.#length] = first;
    let rest = value;
    for (let at = this.#length + bytes; at > this.#length; at--) {
      this.#buffer[at] = rest % 0x100;
      rest = Math.floor(rest / 0x100);
    }
    this.#length += 1 + bytes;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + bytes));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}
