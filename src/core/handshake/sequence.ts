import { type CborValue, decodeCborSequence, encodeCbor } from '../cbor.ts';
import { SealwireError } from '../errors.ts';
import { HANDSHAKE_BYTES_MAX } from '../limits.ts';

/** More items than any EDHOC message of ours has, with room for padding and EAD that we ignore. */
const ITEMS_MAX = 16;

/** A CBOR sequence (RFC 8742) of `items`, fewer than 24, each in its one deterministic encoding. */
export function encodeSequence(items: readonly CborValue[]): Uint8Array {
  // An array so short is one byte and then its items; this is one encoding instead of several to be joined.
  return encodeCbor(items).subarray(1);
}

/** Reads a handshake message or plaintext as a strict CBOR sequence; throws `malformed` or `too-large`. */
export function decodeSequence(data: Uint8Array): CborValue[] {
  return decodeCborSequence(data, ITEMS_MAX, { bytesMax: HANDSHAKE_BYTES_MAX });
}

/** Reads a message that is one byte string: message_2, message_3 and message_4. Throws `malformed` or `too-large`. */
export function decodeByteString(name: string, data: Uint8Array): Uint8Array {
  const [only, ...rest] = decodeSequence(data);
  if (!(only instanceof Uint8Array) || rest.length > 0) throw malformed(`${name} is not exactly one byte string`);
  return only;
}

/** The error for a handshake structure that does not have its form. */
export function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not an EDHOC message as RFC 9528 has it: ${why}.`);
}
