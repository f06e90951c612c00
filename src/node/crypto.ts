import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHmac,
  createPublicKey,
  createSecretKey,
  hash,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { concatBytes, hexToBytes } from '../core/bytes.ts';
import { SIGNATURE_BYTES, toLowS } from '../core/crypto/es256.ts';
import { checkHkdfBytes } from '../core/crypto/hkdf.ts';
import type { AeadName, Crypto } from '../core/crypto/port.ts';
import { SealwireError } from '../core/errors.ts';
import type { Signer, Verifier } from '../core/ports.ts';

const CURVE = 'prime256v1';
const ZERO_COUNTER = new Uint8Array(16);
const COMPRESSED_EVEN = Uint8Array.of(2);
const UNCOMPRESSED = 4;
const SPKI_PREFIX = hexToBytes('3059301306072a8648ce3d020106082a8648ce3d030107034200');

// Node's names, and the tag lengths of RFC 9528, section 3.6.
const AEADS = {
  'chacha20-poly1305': { cipher: 'chacha20-poly1305', tagBytes: 16 },
  'aes-ccm-16-64-128': { cipher: 'aes-128-ccm', tagBytes: 8 },
} as const;

function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

// Given raw bytes, Node 24 finds out by throwing and catching that they are no key object: 10 µs a call.
function hmacWith(key: KeyObject, data: Uint8Array): Uint8Array {
  return plain(createHmac('sha256', key).update(data).digest());
}

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return hmacWith(createSecretKey(key), data);
}

// Node offers HKDF only as extract and expand in one.
function hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  checkHkdfBytes(length);
  const secret = createSecretKey(key);
  const blocks: Uint8Array[] = [];
  let block: Uint8Array = new Uint8Array(0);
  for (let i = 1; blocks.length * 32 < length; i++) {
    block = hmacWith(secret, concatBytes(block, info, Uint8Array.of(i)));
    blocks.push(block);
  }
  const only = blocks.length === 1 ? blocks[0] : undefined;
  return (only ?? concatBytes(...blocks)).subarray(0, length);
}

function aeadCipher(name: AeadName, key: Uint8Array, nonce: Uint8Array) {
  const { cipher, tagBytes } = AEADS[name];
  return {
    tagBytes,
    cipher: createCipheriv(cipher as 'aes-128-ccm', createSecretKey(key), nonce, { authTagLength: tagBytes }),
  };
}

/** The primitives as OpenSSL has them. */
export const nodeCrypto: Crypto = {
  random: (length) => plain(randomBytes(length)),
  sha256: (data) => plain(hash('sha256', data, 'buffer')),
  hmac,
  hkdfExtract: (salt, inputKey) => hmac(salt, inputKey),
  hkdfExpand,
  aes256Ctr: (key, data) => plain(createCipheriv('aes-256-ctr', createSecretKey(key), ZERO_COUNTER).update(data)),
  aeadSeal(name, key, nonce, aad, plaintext) {
    const { cipher } = aeadCipher(name, key, nonce);
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    const sealed = cipher.update(plaintext);
    return concatBytes(plain(sealed), plain(cipher.final()), plain(cipher.getAuthTag()));
  },
  aeadOpen(name, key, nonce, aad, sealed) {
    const { cipher, tagBytes } = AEADS[name];
    const length = sealed.length - tagBytes;
    if (length < 0) return null;
    const opener = createDecipheriv(cipher as 'aes-128-ccm', createSecretKey(key), nonce, { authTagLength: tagBytes });
    try {
      opener.setAuthTag(sealed.subarray(length));
      opener.setAAD(aad, { plaintextLength: length });
      const plaintext = opener.update(sealed.subarray(0, length));
      return concatBytes(plain(plaintext), plain(opener.final()));
    } catch {
      return null;
    }
  },
  generateEphemeral() {
    const pair = createECDH(CURVE);
    const publicKey = pair.generateKeys();
    // OpenSSL drops leading zeros of the scalar.
    const privateKey = new Uint8Array(32);
    const scalar = pair.getPrivateKey();
    privateKey.set(scalar, 32 - scalar.length);
    return { privateKey, publicX: plain(publicKey).subarray(1, 33) };
  },
  ecdh(privateKey, peerX) {
    const pair = createECDH(CURVE);
    try {
      pair.setPrivateKey(privateKey);
      return plain(pair.computeSecret(concatBytes(COMPRESSED_EVEN, peerX)));
    } catch (cause) {
      throw new SealwireError('key-invalid', 'The peer sent a public key that is not a point on P-256.', { cause });
    }
  },
};

/** A signer over a P-256 private key object; low s. */
export function nodeSigner(privateKey: KeyObject): Signer {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return {
    publicKey: plain(spki).slice(-65),
    sign: (toBeSigned) => toLowS(plain(sign('sha256', toBeSigned, key))),
  };
}

/** A verifier for an uncompressed P-256 point; takes high s too, as ECDSA does. Throws `key-invalid`. */
export function nodeVerifier(publicKey: Uint8Array): Verifier {
  let key: KeyObject;
  try {
    // OpenSSL takes the hybrid form too, which would give one key two encodings.
    if (publicKey[0] !== UNCOMPRESSED) throw new Error(`form ${publicKey[0]}`);
    key = createPublicKey({ key: Buffer.from(concatBytes(SPKI_PREFIX, publicKey)), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new SealwireError('key-invalid', 'A public key is not a point on P-256.', { cause });
  }
  const options = { key, dsaEncoding: 'ieee-p1363' } as const;
  return {
    verify: (toBeVerified, signature) =>
      signature.length === SIGNATURE_BYTES && verify('sha256', toBeVerified, options, signature),
  };
}
