import { encodeCbor } from '../cbor.ts';
import { checkEad } from './ead.ts';
import { decodeByteString, decodeSequence } from './sequence.ts';

/** Encodes message_4 (RFC 9528, section 5.5.1): CIPHERTEXT_4 as a byte string. */
export function encodeMessage4(ciphertext: Uint8Array): Uint8Array {
  return encodeCbor(ciphertext);
}

/** CIPHERTEXT_4 of message_4; throws `malformed` or `too-large`. */
export function decodeMessage4(data: Uint8Array): Uint8Array {
  return decodeByteString('message_4', data);
}

/** Checks PLAINTEXT_4, which holds EAD_4 only; throws `malformed` or `unsupported`. */
export function checkPlaintext4(data: Uint8Array): void {
  checkEad(decodeSequence(data));
}
