import { concatBytes } from '../bytes.ts';
import { type CborMap, encodeCbor } from '../cbor.ts';
import { type Authentication, decodeAuthentication, encodeAuthentication } from './authentication.ts';
import { identifierFromItem, identifierToItem } from './connection-id.ts';
import { decodeByteString, decodeSequence, encodeSequence, malformed } from './sequence.ts';
import type { Suite } from './suites.ts';

/** message_2 (RFC 9528, section 5.3.1): G_Y and CIPHERTEXT_2 in one byte string. */
export interface Message2 {
  /** G_Y. */
  readonly publicY: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** PLAINTEXT_2: C_R, then how the Responder authenticates itself. */
export interface Plaintext2 extends Authentication {
  /** C_R. */
  readonly connectionId: Uint8Array;
}

/** Encodes message_2. */
export function encodeMessage2(message: Message2): Uint8Array {
  return encodeCbor(concatBytes(message.publicY, message.ciphertext));
}

/** Decodes message_2; throws `malformed` or `too-large`. */
export function decodeMessage2(data: Uint8Array, suite: Suite): Message2 {
  const both = decodeByteString('message_2', data);
  const { publicBytes } = suite.ecdh;
  if (both.length <= publicBytes) throw malformed(`message_2 holds ${both.length} bytes, too few for G_Y`);
  return { publicY: both.subarray(0, publicBytes), ciphertext: both.subarray(publicBytes) };
}

/** Encodes PLAINTEXT_2 without EAD. */
export function encodePlaintext2(connectionId: Uint8Array, idCred: CborMap, signature: Uint8Array): Uint8Array {
  return concatBytes(encodeSequence([identifierToItem(connectionId)]), encodeAuthentication(idCred, signature));
}

/** Decodes PLAINTEXT_2 with a Signature_or_MAC_2 of `proofBytes`; throws `malformed` or `unsupported`. */
export function decodePlaintext2(data: Uint8Array, proofBytes: number): Plaintext2 {
  const [connectionItem, ...rest] = decodeSequence(data);
  const connectionId = identifierFromItem('C_R', connectionItem);
  return { connectionId, ...decodeAuthentication(rest, proofBytes) };
}
