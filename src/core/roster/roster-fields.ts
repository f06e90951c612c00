import type { CborValue } from '../cbor.ts';
import { SealwireError } from '../errors.ts';

/** Reads the elements of an array in a roster; each throws `malformed`. */
export class RosterFields {
  readonly #fields: readonly CborValue[];

  /** `item` is an array of `count` elements. */
  constructor(item: CborValue, count: number) {
    if (!Array.isArray(item) || item.length !== count) throw malformed(`an array in it has not ${count} elements`);
    this.#fields = item as CborValue[];
  }

  text(at: number): string {
    const value = this.#fields[at];
    if (typeof value !== 'string') throw malformed(`element ${at} is no text`);
    return value;
  }

  /** Bytes, so many where a length is given. */
  bytes(at: number, length?: number): Uint8Array {
    const value = this.#fields[at];
    const fits = value instanceof Uint8Array && (length === undefined || value.length === length);
    if (!fits) throw malformed(`element ${at} is not ${length ?? 'a string of'} bytes`);
    return value;
  }

  /** A whole number, 0 or more. */
  count(at: number): number {
    const value = this.#fields[at];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw malformed(`element ${at} is not a whole number`);
    }
    return value;
  }

  flag(at: number): boolean {
    const value = this.#fields[at];
    if (typeof value !== 'boolean') throw malformed(`element ${at} is neither true nor false`);
    return value;
  }

  isList(at: number): boolean {
    return Array.isArray(this.#fields[at]);
  }

  list(at: number): CborValue[] {
    const value = this.#fields[at];
    if (!Array.isArray(value)) throw malformed(`element ${at} is no list`);
    return value as CborValue[];
  }

  texts(at: number): string[] {
    const list = this.list(at);
    if (!list.every((value) => typeof value === 'string')) throw malformed(`element ${at} is no list of texts`);
    return list;
  }

  /** Null where the element is, else what `read` gives. */
  orNull<T>(at: number, read: () => T): T | null {
    return this.#fields[at] === null ? null : read();
  }
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a roster: ${why}.`);
}
