import { utf8ToBytes } from '../bytes.ts';
import { type CborValue, decodeCbor } from '../cbor.ts';
import { SealwireError } from '../errors.ts';
import { CHANNEL_NAME_BYTES_MAX } from '../limits.ts';

/** Reads the fields of something that members tell each other about a channel; each throws `malformed`. */
export class ControlFields {
  readonly #what: string;
  readonly #fields: readonly CborValue[];

  /** `data` is an array of `count` elements. */
  constructor(what: string, data: Uint8Array, count: number) {
    this.#what = what;
    const fields = decodeCbor(data);
    if (!Array.isArray(fields) || fields.length !== count) throw this.malformed(`it has not ${count} elements`);
    this.#fields = fields as CborValue[];
  }

  /** The name of a channel. */
  channel(at: number): string {
    const name = this.#fields[at];
    if (typeof name !== 'string' || name === '' || utf8ToBytes(name).length > CHANNEL_NAME_BYTES_MAX) {
      throw this.malformed('it names no channel');
    }
    return name;
  }

  /** So many bytes. */
  bytes(at: number, length: number): Uint8Array {
    const value = this.#fields[at];
    if (!(value instanceof Uint8Array) || value.length !== length) {
      throw this.malformed(`element ${at} is not ${length} bytes`);
    }
    return value;
  }

  /** A whole number, 0 or more. */
  count(at: number): number {
    const value = this.#fields[at];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw this.malformed(`element ${at} is not a whole number`);
    }
    return value;
  }

  malformed(why: string): SealwireError {
    return new SealwireError('malformed', `Not ${this.#what}: ${why}.`);
  }
}
