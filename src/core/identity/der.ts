import { bytesToUtf8 } from '@noble/ciphers/utils.js';
import { compareBytes, equalBytes, utf8ToBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';

/** The ASN.1 tags that certificates are made of (X.690, section 8.1.2), one byte each. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its tag, all of its bytes, and what they hold. The arrays are views of what was read. */
export interface DerElement {
  readonly tag: number;
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

/** The error that every reader here throws: `malformed`, with what is wrong. */
export function notDer(why: string): SealwireError {
  return new SealwireError('malformed', `Not strict DER: ${why}.`);
}

/**
 * Reads elements one after the other and takes nothing but DER (X.690, section 10): definite lengths in their shortest
 * form and one-byte tags. What is read this way has one encoding only, so an altered form can never pass for the same.
 * Throws `malformed`.
 */
export class DerReader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  /** True when everything was read. */
  get done(): boolean {
    return this.#at === this.#data.length;
  }

  /** The tag of the next element, undefined at the end. */
  get nextTag(): number | undefined {
    return this.#data[this.#at];
  }

  /** The next element, whatever its tag. */
  any(): DerElement {
    const start = this.#at;
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw notDer('a tag takes more than one byte');
    const length = this.#length();
    const from = this.#at;
    if (length > this.#data.length - from) throw notDer('it ends inside an element');
    this.#at = from + length;
    return { tag, whole: this.#data.subarray(start, this.#at), content: this.#data.subarray(from, this.#at) };
  }

  /** The next element, which must have `tag`. */
  element(tag: number): DerElement {
    const found = this.nextTag;
    if (found !== tag) throw notDer(`tag ${hex(tag)} expected, ${found === undefined ? 'the end' : hex(found)} found`);
    return this.any();
  }

  /** What the next element holds, which must have `tag`. */
  content(tag: number): Uint8Array {
    return this.element(tag).content;
  }

  /** A reader of what the next element holds, which must have `tag`. */
  enter(tag: number): DerReader {
    return new DerReader(this.content(tag));
  }

  /** Throws unless everything was read. */
  end(): void {
    if (!this.done) throw notDer('bytes follow where it should end');
  }

  #byte(): number {
    const byte = this.#data[this.#at];
    if (byte === undefined) throw notDer('it ends inside an element');
    this.#at += 1;
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    if (first === 0x80) throw notDer('a length is indefinite');
    const bytes = first - 0x80;
    if (bytes > 3) throw notDer('a length takes more than three bytes');
    let length = 0;
    for (let i = 0; i < bytes; i++) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (bytes - 1)) throw notDer('a length is not in its shortest form');
    return length;
  }
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`;
}

/** The magnitude of a positive INTEGER without its sign byte, big-endian; throws for zero, negative, or padded ones. */
export function positiveInteger(content: Uint8Array): Uint8Array {
  const [first, second] = content;
  if (first === undefined || first >= 0x80) throw notDer('an integer is empty or negative');
  if (first !== 0) return content;
  if (second === undefined || second < 0x80) throw notDer('an integer is zero or padded');
  return content.subarray(1);
}

/** A small non-negative INTEGER, up to 2^31 − 1. */
export function smallInteger(content: Uint8Array): number {
  if (content.length === 1 && content[0] === 0) return 0;
  const magnitude = positiveInteger(content);
  let value = 0;
  for (const byte of magnitude) value = value * 256 + byte;
  if (magnitude.length > 4 || value > 0x7fffffff) throw notDer('an integer is too large');
  return value;
}

/** A BOOLEAN: DER knows 0x00 and 0xff only (X.690, section 11.1). */
export function boolean(content: Uint8Array): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw notDer('a boolean is neither 0 nor ff');
  return content[0] === 0xff;
}

/** The bytes of a BIT STRING of whole bytes. */
export function wholeBits(content: Uint8Array): Uint8Array {
  if (content[0] !== 0) throw notDer('a bit string does not hold whole bytes');
  return content.subarray(1);
}

/** The numbers of the bits set in a named BIT STRING, which DER writes without trailing zeros (X.690, section 11.2.2). */
export function namedBits(content: Uint8Array): ReadonlySet<number> {
  const [unused, ...bytes] = content;
  const last = bytes.at(-1);
  if (unused === undefined || unused > 7) throw notDer('a bit string is malformed');
  if (last === undefined ? unused !== 0 : (last & ((2 << unused) - 1)) !== 1 << unused) {
    throw notDer('a bit string has trailing zeros');
  }
  const set = new Set<number>();
  bytes.forEach((byte, index) => {
    for (let bit = 0; bit < 8; bit++) if (byte & (0x80 >> bit)) set.add(index * 8 + bit);
  });
  return set;
}

/** An OBJECT IDENTIFIER in dotted form; throws for padded or cut arcs. */
export function objectIdentifier(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) throw notDer('an object identifier is padded');
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw notDer('an object identifier is too large');
    fresh = byte < 0x80;
    if (!fresh) continue;
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40));
      arcs.push(root, arc - root * 40);
    } else arcs.push(arc);
    arc = 0;
  }
  if (!fresh || arcs.length === 0) throw notDer('an object identifier is cut');
  return arcs.join('.');
}

/** A UTF8String, PrintableString or IA5String as text; undefined for other string types; throws for bad characters. */
export function directoryText(element: DerElement): string | undefined {
  if (element.tag === TAG.utf8String) return utf8Text(element.content);
  if (element.tag !== TAG.printableString && element.tag !== TAG.ia5String) return undefined;
  const text = String.fromCharCode(...element.content);
  const allowed = element.tag === TAG.ia5String ? /^\p{ASCII}*$/u : /^[A-Za-z0-9 '()+,\-./:=?]*$/;
  if (!allowed.test(text)) throw notDer('a string holds characters that its type does not have');
  return text;
}

function utf8Text(bytes: Uint8Array): string {
  const text = bytesToUtf8(bytes);
  // The decoder replaces what it cannot read, which then does not encode back.
  if (!equalBytes(utf8ToBytes(text), bytes)) throw notDer('text is not UTF-8');
  return text;
}

/** The elements of a SET OF, which DER sorts by their encodings (X.690, section 11.6). */
export function setOf(reader: DerReader): DerElement[] {
  const elements: DerElement[] = [];
  let last: Uint8Array | undefined;
  while (!reader.done) {
    const element = reader.any();
    if (last && compareBytes(last, element.whole) > 0) throw notDer('a set is out of order');
    last = element.whole;
    elements.push(element);
  }
  return elements;
}

/**
 * A Time in milliseconds since 1970: UTCTime through 2049, GeneralizedTime from 2050 on, both to the second and in UTC
 * (RFC 5280, section 4.1.2.5).
 */
export function timeMs(element: DerElement): number {
  const text = String.fromCharCode(...element.content);
  const isUtc = element.tag === TAG.utcTime;
  if (!isUtc && element.tag !== TAG.generalizedTime) throw notDer('a date is neither UTCTime nor GeneralizedTime');
  const match = (isUtc ? /^(\d\d)(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/).exec(text);
  if (!match) throw notDer('a date is not written to the second, in UTC');
  const [, yearText = '', rest = ''] = match;
  const year = isUtc ? Number(yearText) + (Number(yearText) < 50 ? 2000 : 1900) : Number(yearText);
  if (!isUtc && year < 2050) throw notDer('a date before 2050 is not a UTCTime');
  const iso = `${year}-${rest.slice(0, 2)}-${rest.slice(2, 4)}T${rest.slice(4, 6)}:${rest.slice(6, 8)}:${rest.slice(8)}`;
  const ms = Date.parse(`${iso}.000Z`);
  // Date.parse takes 24:00:00 and rolls some days over: only a date that reads back the same exists.
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(iso)) throw notDer(`there is no date ${iso}`);
  return ms;
}
