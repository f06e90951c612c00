import { equalBytes } from '../bytes.ts';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { SIGNING_REQUEST_BYTES_MAX } from '../identity/signing-request.ts';

const VERSION = 1;
const TAG_BYTES = 32;
const REQUEST_BYTES_MAX = SIGNING_REQUEST_BYTES_MAX + 64;

/** What a device asks with. */
export interface EnrolmentRequest {
  /** PKCS#10, DER. */
  readonly signingRequest: Uint8Array;
  /** HMAC-SHA-256 over it, 32 bytes; null where a certified key asks for itself. */
  readonly tag: Uint8Array | null;
}

/** The request of who holds a token: the token itself stays at home. */
export function encodeTokenRequest(crypto: Crypto, requestKey: Uint8Array, signingRequest: Uint8Array): Uint8Array {
  return encodeCbor([VERSION, signingRequest, crypto.hmac(requestKey, signingRequest)]);
}

/** The request of a device for another certificate: its own signature in it has to do. */
export function encodeRenewalRequest(signingRequest: Uint8Array): Uint8Array {
  return encodeCbor([VERSION, signingRequest, null]);
}

/** Throws `malformed` or `too-large`; nothing is believed yet. */
export function decodeRequest(data: Uint8Array): EnrolmentRequest {
  const item = decodeCbor(data, { bytesMax: REQUEST_BYTES_MAX });
  const [version, signingRequest, tag] = Array.isArray(item) && item.length === 3 ? item : [];
  if (version !== VERSION || !(signingRequest instanceof Uint8Array)) throw malformed();
  if (tag !== null && !(tag instanceof Uint8Array && tag.length === TAG_BYTES)) throw malformed();
  return { signingRequest, tag };
}

/** True where the holder of the token's secret asks for exactly this. */
export function isTokenRequest(crypto: Crypto, requestKey: Uint8Array, request: EnrolmentRequest): boolean {
  return request.tag !== null && equalBytes(crypto.hmac(requestKey, request.signingRequest), request.tag);
}

function malformed(): SealwireError {
  return new SealwireError('malformed', 'A request to enrol is [1, certification request, HMAC or null].');
}
