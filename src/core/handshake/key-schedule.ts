import { CborWriter } from '../cbor-writer.ts';
import type { Crypto } from '../crypto/port.ts';

/** SHA-256's length: of transcript hashes, of every PRK and, where a side signs, of its MAC. */
export const HASH_BYTES = 32;

/** The labels of EDHOC_KDF (RFC 9528, section 4.1.2) that method 0 uses. */
export const KDF_LABEL = {
  keystream2: 0,
  mac2: 2,
  key3: 3,
  nonce3: 4,
  mac3: 6,
  prkOut: 7,
  key4: 8,
  nonce4: 9,
  prkExporter: 10,
} as const;

const EMPTY = new Uint8Array(0);
/** Room for the head of a CBOR item. */
const ITEM_BYTES = 9;

/** EDHOC_KDF (RFC 9528, section 4.1.2); throws `too-large` for a `length` over 8160. */
export function edhocKdf(
  crypto: Crypto,
  prk: Uint8Array,
  label: number,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const info = CborWriter.shortLived(ITEM_BYTES * 3 + context.length)
    .int(label)
    .bytes(context)
    .int(length);
  return crypto.hkdfExpand(prk, info.finish(), length);
}

/** TH_2 (RFC 9528, section 5.3.2). */
export function transcript2(crypto: Crypto, publicY: Uint8Array, message1: Uint8Array): Uint8Array {
  const writer = CborWriter.shortLived(ITEM_BYTES * 2 + publicY.length + HASH_BYTES);
  return crypto.sha256(writer.bytes(publicY).bytes(crypto.sha256(message1)).finish());
}

/** TH_3 from TH_2 and TH_4 from TH_3: over the plaintext and credential of the side that spoke. */
export function nextTranscript(
  crypto: Crypto,
  transcript: Uint8Array,
  plaintext: Uint8Array,
  certificate: Uint8Array,
): Uint8Array {
  const writer = CborWriter.shortLived(ITEM_BYTES * 2 + transcript.length + plaintext.length + certificate.length);
  return crypto.sha256(writer.bytes(transcript).raw(plaintext).bytes(certificate).finish());
}

/** PRK_2e, which in method 0 is PRK_3e2m and PRK_4e3m too (RFC 9528, section 4.1.1). */
export function extractPrk(crypto: Crypto, transcript: Uint8Array, sharedSecret: Uint8Array): Uint8Array {
  return crypto.hkdfExtract(transcript, sharedSecret);
}

/** PLAINTEXT_2 of CIPHERTEXT_2 and the reverse: one pass of KEYSTREAM_2, which authenticates nothing. */
export function cipher2(crypto: Crypto, prk: Uint8Array, transcript: Uint8Array, data: Uint8Array): Uint8Array {
  const out = edhocKdf(crypto, prk, KDF_LABEL.keystream2, transcript, data.length);
  for (let i = 0; i < data.length; i++) out[i] = (out[i] ?? 0) ^ (data[i] ?? 0);
  return out;
}

/** PRK_exporter (RFC 9528, section 4.2.1). */
export function exporterPrk(crypto: Crypto, prk: Uint8Array, transcript4: Uint8Array): Uint8Array {
  const prkOut = edhocKdf(crypto, prk, KDF_LABEL.prkOut, transcript4, HASH_BYTES);
  return edhocKdf(crypto, prkOut, KDF_LABEL.prkExporter, EMPTY, HASH_BYTES);
}
