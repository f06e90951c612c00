import type { CborMap } from '../cbor.ts';
import { encodeCbor } from '../cbor.ts';
import { type Authentication, decodeAuthentication, encodeAuthentication } from './authentication.ts';
import { decodeByteString, decodeSequence } from './sequence.ts';

/** Encodes message_3 (RFC 9528, section 5.4.1): CIPHERTEXT_3 as a byte string. */
export function encodeMessage3(ciphertext: Uint8Array): Uint8Array {
  return encodeCbor(ciphertext);
}

/** CIPHERTEXT_3 of message_3; throws `malformed` or `too-large`. */
export function decodeMessage3(data: Uint8Array): Uint8Array {
  return decodeByteString('message_3', data);
}

/** Encodes PLAINTEXT_3 without EAD. */
export function encodePlaintext3(idCred: CborMap, signature: Uint8Array): Uint8Array {
  return encodeAuthentication(idCred, signature);
}

/** Decodes PLAINTEXT_3 with a Signature_or_MAC_3 of `proofBytes`; throws `malformed` or `unsupported`. */
export function decodePlaintext3(data: Uint8Array, proofBytes: number): Authentication {
  return decodeAuthentication(decodeSequence(data), proofBytes);
}
