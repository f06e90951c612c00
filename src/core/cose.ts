import { equalBytes } from './bytes.ts';
import { type CborMap, type CborValue, decodeCbor, encodeCbor, SIGN1_TAG, Tagged } from './cbor.ts';
import { CborReader } from './cbor-reader.ts';
import { CborWriter } from './cbor-writer.ts';
import type { Crypto } from './crypto/port.ts';
import { SealwireError } from './errors.ts';

/** Header labels and algorithms that our structures use (IANA COSE registry). */
export const COSE = {
  alg: 1,
  contentType: 3,
  keyId: 4,
  cwtClaims: 15,
  x5chain: 33,
  x5t: 34,
  verifiableDataStructure: 395,
  proofs: 396,
  /** Private use: our own parameters, as an array. */
  sealwire: -65537,
  algEs256: -7,
  algHmac256: 5,
} as const;

const EMPTY = new Uint8Array(0);

/** A COSE_Sign1 (RFC 9052, section 4.2) as it lies on the wire; `payload` is null when detached. */
export interface Sign1 {
  /** The encoded protected header map. */
  readonly protectedBytes: Uint8Array;
  readonly unprotected: CborMap;
  readonly payload: Uint8Array | null;
  readonly signature: Uint8Array;
}

/** The bytes that an ES256 signature covers (RFC 9052, section 4.4): Sig_structure with context "Signature1". */
export function sign1ToBeSigned(
  protectedBytes: Uint8Array,
  payload: Uint8Array,
  externalAad: Uint8Array = EMPTY,
): Uint8Array {
  const writer = CborWriter.shortLived(32 + protectedBytes.length + externalAad.length + payload.length);
  return writer.array(4).text('Signature1').bytes(protectedBytes).bytes(externalAad).bytes(payload).finish();
}

/** Encodes a COSE_Sign1 with tag 18. */
export function encodeSign1({ protectedBytes, unprotected, payload, signature }: Sign1): Uint8Array {
  const writer = new CborWriter(32 + protectedBytes.length + (payload?.length ?? 0) + signature.length);
  writer.tag(SIGN1_TAG).array(4).bytes(protectedBytes);
  if (unprotected.size === 0) writer.map(0);
  else writer.raw(encodeCbor(unprotected));
  if (payload === null) writer.null();
  else writer.bytes(payload);
  return writer.bytes(signature).finish();
}

/** Decodes a tagged COSE_Sign1; throws `malformed` for anything else. The signature is not checked here. */
export function decodeSign1(data: Uint8Array): Sign1 {
  return toSign1(decodeCbor(data));
}

/** Reads a COSE_Sign1 from a decoded item; throws `malformed`. */
export function toSign1(item: CborValue): Sign1 {
  if (!(item instanceof Tagged) || item.tag !== SIGN1_TAG) throw notCose('tag 18 is missing');
  const fields: unknown = item.value;
  if (!Array.isArray(fields) || fields.length !== 4) throw notCose('a COSE_Sign1 has four fields');
  const [protectedBytes, unprotected, payload, signature] = fields as CborValue[];
  if (!(protectedBytes instanceof Uint8Array)) throw notCose('the protected header is not a byte string');
  if (!(unprotected instanceof Map)) throw notCose('the unprotected header is not a map');
  if (payload !== null && !(payload instanceof Uint8Array)) throw notCose('the payload is not a byte string');
  if (!(signature instanceof Uint8Array)) throw notCose('the signature is not a byte string');
  return { protectedBytes, unprotected, payload: payload ?? null, signature };
}

/** Decodes a protected header into its map; throws `malformed`. An empty header is an empty byte string. */
export function decodeProtected(protectedBytes: Uint8Array): CborMap {
  if (protectedBytes.length === 0) return new Map();
  const header = decodeCbor(protectedBytes);
  if (!(header instanceof Map) || header.size === 0) throw notCose('the protected header is not a map');
  return header;
}

const MAC_BYTES = 32;

/** A COSE_Mac0 (RFC 9052, section 6.2) with algorithm HMAC 256/256 and nothing unprotected. */
export interface Mac0 {
  readonly payload: Uint8Array;
  readonly tag: Uint8Array;
}

/** `<<{1: 5}>>`: the protected header of every Mac0 of ours. */
const MAC0_PROTECTED: Uint8Array = encodeCbor(new Map([[COSE.alg, COSE.algHmac256]]));

const toBeMaced = new CborWriter(1024);

/** The HMAC over MAC_structure with context "MAC0" (RFC 9052, section 6.3), 32 bytes. */
export function mac0Tag(crypto: Crypto, key: Uint8Array, payload: Uint8Array, externalAad: Uint8Array): Uint8Array {
  toBeMaced.restart().array(4).text('MAC0').bytes(MAC0_PROTECTED).bytes(externalAad).bytes(payload);
  return crypto.hmac(key, toBeMaced.finish());
}

/** Encodes an untagged COSE_Mac0. */
export function encodeMac0(mac0: Mac0): Uint8Array {
  const writer = CborWriter.shortLived(32 + mac0.payload.length + mac0.tag.length);
  return writer.array(4).bytes(MAC0_PROTECTED).map(0).bytes(mac0.payload).bytes(mac0.tag).finish();
}

/** Decodes an untagged COSE_Mac0 with HMAC 256/256 and a 32-byte tag; throws `malformed`. The tag is not checked here. */
export function decodeMac0(data: Uint8Array): Mac0 {
  const reader = new CborReader(data);
  if (reader.array() !== 4) throw notCose('a COSE_Mac0 has four fields');
  if (!equalBytes(reader.bytes(), MAC0_PROTECTED)) throw notCose('the MAC algorithm is not HMAC 256/256');
  if (reader.map() !== 0) throw notCose('a Mac0 has nothing unprotected');
  const mac0 = { payload: reader.bytes(), tag: reader.bytes(MAC_BYTES) };
  reader.end();
  return mac0;
}

function notCose(why: string): SealwireError {
  return new SealwireError('malformed', `Not the COSE structure expected here: ${why}.`);
}
