/** CBOR's major types (RFC 8949, section 3.1). */
export const MAJOR = { uint: 0, negint: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

/**
 * One CBOR item as it may be written, rightly or not. It is read leniently and written as it says, so that a mutation
 * can tell any lie about itself.
 */
export interface CborNode {
  major: number;
  /** What its head says: a number, a length or a count; where it is missing, the true one of content or items. */
  argument?: number | bigint;
  /** Bytes that the argument takes after the head's first; the fewest where it is missing. */
  width?: 0 | 1 | 2 | 4 | 8;
  isIndefinite?: boolean;
  /** Of byte and text strings. */
  content: Uint8Array;
  /** Of arrays, maps (keys and values in turn) and tags; of a byte string that holds CBOR itself, what it holds. */
  items: CborNode[];
}

const WIDTHS = [1, 2, 4, 8] as const;
const NOTHING = new Uint8Array(0);
const DEPTH_MAX = 64;
/** Shorter byte strings are numbers, keys or hashes: that one reads as CBOR is chance. */
const NESTED_BYTES_MIN = 3;

/** An item with what it takes to write it. */
export function node(major: number, rest: Partial<CborNode> = {}): CborNode {
  return { major, content: NOTHING, items: [], ...rest };
}

/** Reads a sequence of items; undefined for what is none. */
export function readItems(data: Uint8Array, isNested = false): CborNode[] | undefined {
  const reader = new LenientReader(data);
  const items: CborNode[] = [];
  while (!reader.done) {
    const item = reader.item(0);
    if (!item) return undefined;
    items.push(item);
  }
  // One lone number or string inside another string is most likely none.
  return isNested && !items.some((item) => item.items.length > 0) ? undefined : items;
}

/** Writes items as they say they are; what is over the bound of bytes loses its beginning. */
export function writeItems(items: readonly CborNode[]): Uint8Array {
  writer.restart();
  writeAll(items);
  return writer.finish();
}

/** Back to front: the length of what an item holds is known before its head is written. */
class BackWriter {
  readonly #bytes = new Uint8Array(BYTES_MAX);
  #at = BYTES_MAX;

  get written(): number {
    return BYTES_MAX - this.#at;
  }

  restart(): void {
    this.#at = BYTES_MAX;
  }

  byte(value: number): void {
    if (this.#at > 0) this.#bytes[--this.#at] = value;
  }

  put(bytes: Uint8Array): void {
    const part = bytes.length > this.#at ? bytes.subarray(bytes.length - this.#at) : bytes;
    this.#at -= part.length;
    this.#bytes.set(part, this.#at);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(this.#at);
  }
}

const BYTES_MAX = 512 * 1024;
const writer = new BackWriter();

function writeAll(items: readonly CborNode[]): void {
  for (let i = items.length - 1; i >= 0; i--) writeItem(items[i] as CborNode);
}

function writeItem(item: CborNode): void {
  const { major, items, isIndefinite } = item;
  const isString = major === MAJOR.bytes || major === MAJOR.text;
  if (isIndefinite) writer.byte(0xff);
  const before = writer.written;
  if (isString && items.length === 0) writer.put(item.content);
  else writeAll(items);
  const bytes = writer.written - before;
  if (isIndefinite) {
    if (isString) head(major, bytes);
    writer.byte((major << 5) | 31);
  } else head(major, item.argument ?? trueArgument(major, bytes, items), item.width);
}

function trueArgument(major: number, bytes: number, items: readonly CborNode[]): number {
  if (major === MAJOR.array) return items.length;
  return major === MAJOR.map ? Math.ceil(items.length / 2) : bytes;
}

function head(major: number, argument: number | bigint, width: CborNode['width'] = shortest(argument)): void {
  if (width === 0) {
    writer.byte((major << 5) | (Number(argument) & 31));
    return;
  }
  if (width === 8) {
    let rest = BigInt(argument);
    for (let i = 0; i < 8; i++, rest >>= 8n) writer.byte(Number(rest & 0xffn));
  } else {
    let rest = Number(argument);
    for (let i = 0; i < width; i++, rest = Math.floor(rest / 256)) writer.byte(rest % 256);
  }
  writer.byte((major << 5) | (24 + WIDTHS.indexOf(width)));
}

function shortest(argument: number | bigint): 0 | 1 | 2 | 4 | 8 {
  if (argument < 24) return 0;
  if (argument < 0x100) return 1;
  if (argument < 0x1_0000) return 2;
  return argument < 0x1_0000_0000 ? 4 : 8;
}

class LenientReader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get done(): boolean {
    return this.#at >= this.#data.length;
  }

  item(depth: number): CborNode | undefined {
    const first = this.#data[this.#at];
    if (first === undefined || depth > DEPTH_MAX) return undefined;
    const major = first >> 5;
    const short = first & 31;
    if (short > 27) return undefined;
    this.#at += 1;
    const width = short < 24 ? 0 : (WIDTHS[short - 24] ?? 8);
    const argument = width === 0 ? short : this.#uint(width);
    if (argument === undefined) return undefined;
    // A width is kept only where it is not the one that a writer would take.
    const told: Partial<CborNode> = width === shortest(argument) ? {} : { width };
    if (major === MAJOR.uint || major === MAJOR.negint || major === MAJOR.simple) {
      return node(major, { argument, ...(major === MAJOR.simple ? { width } : told) });
    }
    if (major === MAJOR.bytes || major === MAJOR.text) return this.#string(major, Number(argument), told);
    if (major === MAJOR.tag) {
      const item = this.item(depth + 1);
      return item && node(major, { argument, ...told, items: [item] });
    }
    return this.#list(major, Number(argument) * (major === MAJOR.map ? 2 : 1), depth, told);
  }

  #string(major: number, length: number, told: Partial<CborNode>): CborNode | undefined {
    if (length > this.#data.length - this.#at) return undefined;
    const content = this.#data.slice(this.#at, this.#at + length);
    this.#at += length;
    const isPlain = major === MAJOR.text || length < NESTED_BYTES_MIN;
    return node(major, { content, ...told, items: (isPlain ? undefined : readItems(content, true)) ?? [] });
  }

  #list(major: number, count: number, depth: number, told: Partial<CborNode>): CborNode | undefined {
    if (count > this.#data.length - this.#at) return undefined;
    const items: CborNode[] = [];
    for (let i = 0; i < count; i++) {
      const item = this.item(depth + 1);
      if (!item) return undefined;
      items.push(item);
    }
    return node(major, { ...told, items });
  }

  #uint(width: number): number | bigint | undefined {
    if (this.#at + width > this.#data.length) return undefined;
    const view = new DataView(this.#data.buffer, this.#data.byteOffset + this.#at, width);
    this.#at += width;
    if (width === 1) return view.getUint8(0);
    if (width === 2) return view.getUint16(0);
    return width === 4 ? view.getUint32(0) : view.getBigUint64(0);
  }
}
