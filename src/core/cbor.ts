import { encode, rfc8949EncodeOptions, Tagged, type Token, Tokenizer, Type, tokensToObject } from 'cborg';
import { compareBytes, equalBytes, utf8ToBytes } from './bytes.ts';
import { SealwireError } from './errors.ts';
import { CBOR_DEPTH_MAX } from './limits.ts';

/**
 * What our formats are made of: integers, byte and text strings, arrays, maps with integer or text keys, tag 18,
 * true, false and null. No floats, no undefined, nothing of indefinite length.
 */
export type CborValue =
  | number
  | bigint
  | string
  | Uint8Array
  | boolean
  | null
  | readonly CborValue[]
  | CborMap
  | Tagged;

/** A CBOR map as it is read and written. */
export type CborMap = ReadonlyMap<number | string, CborValue>;

export { Tagged } from 'cborg';

/** COSE_Sign1's tag (RFC 9052, section 4.2), the only one our formats carry. */
export const SIGN1_TAG = 18;

/** How much {@link decodeCbor} takes before it refuses. */
export interface DecodeBounds {
  readonly bytesMax?: number;
  readonly depthMax?: number;
}

/** The one deterministic encoding of `value` (RFC 8949, section 4.2.1). */
export function encodeCbor(value: CborValue): Uint8Array {
  return plainBytes(encode(value, rfc8949EncodeOptions));
}

/** On Node cborg gives a `Buffer` now and then, and slices one without copying: two owners of the same bytes. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Decodes exactly one item, in its one deterministic encoding; throws `malformed` or `too-large`. */
export function decodeCbor(data: Uint8Array, bounds: DecodeBounds = {}): CborValue {
  checkSize(data, bounds);
  const tokenizer = new StrictTokenizer(data, bounds.depthMax ?? CBOR_DEPTH_MAX);
  const value = decodeItem(tokenizer);
  if (!tokenizer.done()) throw malformed('bytes follow the item');
  return value;
}

/** Decodes a CBOR sequence (RFC 8742) of items as {@link decodeCbor} takes them, `itemsMax` at most. */
export function decodeCborSequence(data: Uint8Array, itemsMax: number, bounds: DecodeBounds = {}): CborValue[] {
  checkSize(data, bounds);
  const tokenizer = new StrictTokenizer(data, bounds.depthMax ?? CBOR_DEPTH_MAX);
  const items: CborValue[] = [];
  while (!tokenizer.done()) {
    if (items.length === itemsMax) throw new SealwireError('too-large', `More than ${itemsMax} items in a sequence.`);
    items.push(decodeItem(tokenizer));
  }
  return items;
}

function checkSize(data: Uint8Array, bounds: DecodeBounds): void {
  if (bounds.bytesMax !== undefined && data.length > bounds.bytesMax) {
    throw new SealwireError('too-large', `An item of ${data.length} bytes is over the bound of ${bounds.bytesMax}.`);
  }
}

function malformed(why: string, cause?: unknown): SealwireError {
  return new SealwireError('malformed', `Not strict CBOR: ${why}.`, { cause });
}

function decodeItem(tokenizer: StrictTokenizer): CborValue {
  let value: unknown;
  try {
    value = tokensToObject(tokenizer, decodeOptions);
  } catch (error) {
    if (error instanceof SealwireError) throw error;
    throw malformed(error instanceof Error ? error.message.replace(/^CBOR decode error: /, '') : 'unreadable', error);
  }
  if (typeof value === 'symbol') throw malformed('it ends before its item does');
  return value as CborValue;
}

const decodeOptions = {
  strict: true,
  useMaps: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: true,
  retainStringBytes: true,
  tags: { [SIGN1_TAG]: (content: () => unknown): Tagged => new Tagged(SIGN1_TAG, content()) },
};

interface Level {
  /** Items still to come at this level; a map counts its keys and its values. */
  left: number;
  readonly isMap: boolean;
  lastKey: Uint8Array | undefined;
}

/**
 * cborg's tokenizer, held to more: bounded depth, no floats, well-formed text, map keys that are integers or text and
 * stand in strictly ascending bytewise order, which also rules out duplicates.
 */
class StrictTokenizer extends Tokenizer {
  readonly #levels: Level[] = [];
  readonly #depthMax: number;

  constructor(data: Uint8Array, depthMax: number) {
    super(plainBytes(data), decodeOptions);
    this.#depthMax = depthMax;
  }

  override next(): Token {
    const start = this.pos();
    const token = super.next();
    const level = this.#levels.at(-1);
    if (level?.isMap && level.left % 2 === 0) checkKey(level, token, this.data.subarray(start, this.pos()));
    if (token.type === Type.float) throw malformed('it holds a floating-point number');
    if (token.type === Type.string) checkText(token);
    this.#step(token);
    return token;
  }

  #step(token: Token): void {
    const level = this.#levels.at(-1);
    // A tag stands for its content, which follows as an item of its own.
    if (level && token.type !== Type.tag) level.left -= 1;
    if (token.type === Type.array) this.#enter(token.value, false);
    else if (token.type === Type.map) this.#enter(token.value * 2, true);
    while (this.#levels.at(-1)?.left === 0) this.#levels.pop();
  }

  #enter(items: number, isMap: boolean): void {
    if (this.#levels.length === this.#depthMax) {
      throw new SealwireError('too-large', `CBOR nested deeper than ${this.#depthMax}.`);
    }
    this.#levels.push({ left: items, isMap, lastKey: undefined });
  }
}

function checkKey(level: Level, token: Token, encoded: Uint8Array): void {
  const { type } = token;
  if (type !== Type.uint && type !== Type.negint && type !== Type.string) {
    throw malformed('a map key is neither an integer nor text');
  }
  if (level.lastKey && compareBytes(level.lastKey, encoded) >= 0) {
    throw malformed('map keys are doubled or out of order');
  }
  level.lastKey = encoded;
}

function checkText(token: Token): void {
  // A lossy decoder would give two encodings one meaning: what was replaced does not encode back.
  const bytes = token.byteValue;
  if (bytes && !equalBytes(utf8ToBytes(token.value), bytes)) throw malformed('text is not UTF-8');
}
