import { ctr } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { p256 } from '@noble/curves/nist.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { concatBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';
import type { Signer, Verifier } from '../ports.ts';
import { SIGNATURE_BYTES, toLowS } from './es256.ts';
import { checkHkdfBytes } from './hkdf.ts';
import type { AeadName, Crypto } from './port.ts';

const ZERO_COUNTER = new Uint8Array(16);
const COMPRESSED_EVEN = Uint8Array.of(2);
const POINT_BYTES = 65;

function aead(
  name: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
): ReturnType<typeof chacha20poly1305> {
  if (name !== 'chacha20-poly1305') {
    throw new SealwireError('unsupported', `${name} is not available in this runtime.`, {
      hint: 'Offer EDHOC suite 5, which needs ChaCha20-Poly1305 only.',
    });
  }
  return chacha20poly1305(key, nonce, aad);
}

/** The primitives in plain JavaScript (`@noble/*`): for browsers and for checking the other implementation. */
export const nobleCrypto: Crypto = {
  random: (length) => randomBytes(length),
  sha256: (data) => sha256(data),
  hmac: (key, data) => hmac(sha256, key, data),
  hkdfExtract: (salt, inputKey) => extract(sha256, inputKey, salt),
  hkdfExpand(key, info, length) {
    checkHkdfBytes(length);
    return expand(sha256, key, info, length);
  },
  aes256Ctr: (key, data) => ctr(key, ZERO_COUNTER).encrypt(data),
  aeadSeal: (name, key, nonce, aad, plaintext) => aead(name, key, nonce, aad).encrypt(plaintext),
  aeadOpen(name, key, nonce, aad, sealed) {
    const cipher = aead(name, key, nonce, aad);
    try {
      return cipher.decrypt(sealed);
    } catch {
      return null;
    }
  },
  generateEphemeral() {
    const { secretKey, publicKey } = p256.keygen();
    return { privateKey: secretKey, publicX: publicKey.subarray(1, 33) };
  },
  ecdh(privateKey, peerX) {
    try {
      return p256.getSharedSecret(privateKey, concatBytes(COMPRESSED_EVEN, peerX)).subarray(1, 33);
    } catch (cause) {
      throw new SealwireError('key-invalid', 'The peer sent a public key that is not a point on P-256.', { cause });
    }
  },
};

/** A signer over a P-256 private scalar (32 bytes). Deterministic (RFC 6979), low s. */
export function nobleSigner(privateKey: Uint8Array): Signer {
  return {
    publicKey: p256.getPublicKey(privateKey, false),
    sign: (toBeSigned) => toLowS(p256.sign(toBeSigned, privateKey)),
  };
}

/** A verifier for an uncompressed P-256 point; takes high s too, as ECDSA does. Throws `key-invalid`. */
export function nobleVerifier(publicKey: Uint8Array): Verifier {
  try {
    if (publicKey.length !== POINT_BYTES) throw new Error(`${publicKey.length} bytes`);
    p256.Point.fromBytes(publicKey).assertValidity();
  } catch (cause) {
    throw new SealwireError('key-invalid', 'A public key is not a point on P-256.', { cause });
  }
  return {
    verify: (toBeVerified, signature) =>
      signature.length === SIGNATURE_BYTES && p256.verify(signature, toBeVerified, publicKey, { lowS: false }),
  };
}
