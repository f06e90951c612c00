import { concatBytes, equalBytes, hexToBytes, utf8ToBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';
import { readName, readPublicKey } from './certificate.ts';
import { DerReader, notDer, smallInteger, TAG, wholeBits } from './der.ts';
import { signatureFromDer, signatureToDer } from './ecdsa-signature.ts';
import { checkName, subjectPublicKeyInfo } from './id.ts';

/** A request with more bytes is refused before it is read. */
export const SIGNING_REQUEST_BYTES_MAX = 2048;

/** A PKCS#10 certification request (RFC 2986) as it was read; not believed before its signature is checked. */
export interface SigningRequest {
  /** The subject's CN. */
  readonly name: string;
  /** Uncompressed point, 65 bytes, on the curve. */
  readonly publicKey: Uint8Array;
  /** The CertificationRequestInfo: what the subject signed. */
  readonly toBeVerified: Uint8Array;
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** A request that waits for the signature of the key that it is for. */
export interface SigningRequestDraft {
  readonly toBeSigned: Uint8Array;
  /** The request's DER, given r ‖ s, 64 bytes. */
  finish(signature: Uint8Array): Uint8Array;
}

const ECDSA_SHA256 = hexToBytes('300a06082a8648ce3d040302');
const VERSION_1 = hexToBytes('020100');
const COMMON_NAME = hexToBytes('0603550403');
const NO_ATTRIBUTES = hexToBytes('a000');
const ATTRIBUTES = 0xa0;

/** Drafts a request for `name` and a key (65-byte point); throws `malformed` for the name, `key-invalid`. */
export function draftSigningRequest(name: string, publicKey: Uint8Array): SigningRequestDraft {
  const commonName = element(TAG.sequence, COMMON_NAME, element(TAG.utf8String, utf8ToBytes(checkName(name))));
  const subject = element(TAG.sequence, element(TAG.set, commonName));
  const toBeSigned = element(TAG.sequence, VERSION_1, subject, subjectPublicKeyInfo(publicKey), NO_ATTRIBUTES);
  return {
    toBeSigned,
    finish: (signature) => {
      const bits = element(TAG.bitString, Uint8Array.of(0), signatureToDer(signature));
      return element(TAG.sequence, toBeSigned, ECDSA_SHA256, bits);
    },
  };
}

/**
 * Reads one request in strict DER; attributes are not looked at. Throws `malformed`, `too-large` over
 * {@link SIGNING_REQUEST_BYTES_MAX}, `unsupported` for another key or signature, `key-invalid` for a point off the curve.
 */
export function readSigningRequest(der: Uint8Array): SigningRequest {
  if (der.length > SIGNING_REQUEST_BYTES_MAX) {
    const sentence = `A request for a certificate of ${der.length} bytes is over the bound of ${SIGNING_REQUEST_BYTES_MAX}.`;
    throw new SealwireError('too-large', sentence);
  }
  const file = new DerReader(der);
  const outer = file.enter(TAG.sequence);
  file.end();
  const info = outer.element(TAG.sequence);
  if (!equalBytes(outer.element(TAG.sequence).whole, ECDSA_SHA256)) {
    throw new SealwireError('unsupported', 'A request for a certificate is not signed with ECDSA and SHA-256.');
  }
  const signature = signatureFromDer(wholeBits(outer.content(TAG.bitString)));
  outer.end();
  return { ...readInfo(new DerReader(info.content)), toBeVerified: info.whole, signature };
}

function readInfo(reader: DerReader): Pick<SigningRequest, 'name' | 'publicKey'> {
  if (smallInteger(reader.content(TAG.integer)) !== 0) throw notDer('a request for a certificate is of version 1');
  const name = readName(reader.element(TAG.sequence).whole);
  const publicKey = readPublicKey(reader.element(TAG.sequence).whole);
  reader.content(ATTRIBUTES);
  reader.end();
  if (name === undefined) throw notDer('a request for a certificate has no common name');
  return { name, publicKey };
}

function element(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const bytes = concatBytes(...content);
  const { length } = bytes;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concatBytes(Uint8Array.of(tag, ...head), bytes);
}
