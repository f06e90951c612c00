import { type CborValue, encodeCbor } from '../cbor.ts';
import { malformed } from './sequence.ts';

/** Length of the connection identifiers that we choose: random, so that nobody guesses one. */
export const CONNECTION_ID_BYTES = 8;

const INTEGER_MIN = -24;
const INTEGER_MAX = 23;

/**
 * How a byte string identifier (C_I, C_R, kid) is written: one that coincides with the one-byte encoding of an
 * integer as that integer, any other as a byte string (RFC 9528, section 3.3.2).
 */
export function identifierToItem(identifier: Uint8Array): number | Uint8Array {
  const [first] = identifier;
  if (identifier.length !== 1 || first === undefined) return identifier;
  if (first <= 0x17) return first;
  return first >= 0x20 && first <= 0x37 ? 0x1f - first : identifier;
}

/** The reverse of {@link identifierToItem}; throws `malformed` for the form that an identifier must not take. */
export function identifierFromItem(name: string, item: CborValue | undefined): Uint8Array {
  if (typeof item === 'number') {
    if (item < INTEGER_MIN || item > INTEGER_MAX) throw malformed(`${name} is the integer ${item}, not a byte string`);
    return encodeCbor(item);
  }
  if (!(item instanceof Uint8Array)) throw malformed(`${name} is neither a byte string nor a one-byte integer`);
  if (identifierToItem(item) !== item) throw malformed(`${name} is a byte string where an integer stands for it`);
  return item;
}
