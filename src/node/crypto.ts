import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { base64urlnopad, concatBytes, hexToBytes } from '../core/bytes.ts';
import { SIGNATURE_BYTES, toLowS } from '../core/crypto/es256.ts';
import { checkHkdfBytes } from '../core/crypto/hkdf.ts';
import type { AeadName, Crypto } from '../core/crypto/port.ts';
import { SealwireError } from '../core/errors.ts';
import type { Signer, Verifier } from '../core/ports.ts';
import { fromDer, toDer } from './der-signature.ts';
import { hmacSha256 } from './hmac.ts';
import { freshRandom } from './random.ts';
import { sha256 } from './sha256.ts';

const CURVE = 'P-256';
const HASH_BYTES = 32;
const POINT_BYTES = 65;
const UNCOMPRESSED = 4;
const ZERO_COUNTER = new Uint8Array(16);

/** SubjectPublicKeyInfo up to the point: whole, and x with an even y. */
const WHOLE = hexToBytes('3059301306072a8648ce3d020106082a8648ce3d030107034200');
const COMPRESSED = hexToBytes('3039301306072a8648ce3d020106082a8648ce3d03010703220002');

/** The key objects behind the scalars that we gave out, so that they need not be parsed again. */
const ephemerals = new WeakMap<Uint8Array, KeyObject>();

/** A handshake wants one key three times: for certificate, proof and session. Importing it costs a third of verifying. */
const recentVerifiers = new Map<string, Verifier>();
const RECENT_VERIFIERS_MAX = 128;

// Node's names, and the tag lengths of RFC 9528, section 3.6.
const AEADS = {
  'chacha20-poly1305': { cipher: 'chacha20-poly1305', tagBytes: 16 },
  'aes-ccm-16-64-128': { cipher: 'aes-128-ccm', tagBytes: 8 },
} as const;

function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

// Node offers HKDF only as extract and expand in one.
function hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  checkHkdfBytes(length);
  const blocks = Math.ceil(length / HASH_BYTES);
  const output = new Uint8Array(blocks * HASH_BYTES);
  // T(n-1) ‖ info ‖ n; the first has no T before it.
  const input = new Uint8Array(HASH_BYTES + info.length + 1);
  input.set(info, HASH_BYTES);
  for (let n = 1; n <= blocks; n++) {
    input[input.length - 1] = n;
    const block = hmacSha256(key, n === 1 ? input.subarray(HASH_BYTES) : input);
    output.set(block, (n - 1) * HASH_BYTES);
    input.set(block);
  }
  return output.subarray(0, length);
}

// As PEM: of all forms the one that Node reads fastest, by half.
function importPoint(prefix: Uint8Array, point: Uint8Array): KeyObject {
  const der = Buffer.concat([prefix, point]).toString('base64');
  return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`);
}

function importScalar(scalar: Uint8Array): KeyObject {
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(scalar);
  const point = plain(pair.getPublicKey());
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  const encode = (part: Uint8Array): string => base64urlnopad.encode(part);
  const jwk = { kty: 'EC', crv: CURVE, d: encode(scalar), x: encode(x), y: encode(y) };
  return createPrivateKey({ key: jwk, format: 'jwk' });
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
  random: freshRandom,
  sha256,
  hmac: hmacSha256,
  hkdfExtract: (salt, inputKey) => hmacSha256(salt, inputKey),
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
    const { privateKey: keyObject } = generateKeyPairSync('ec', { namedCurve: CURVE });
    const { d = '', x = '' } = keyObject.export({ format: 'jwk' });
    const privateKey = plain(Buffer.from(d, 'base64url'));
    ephemerals.set(privateKey, keyObject);
    return { privateKey, publicX: plain(Buffer.from(x, 'base64url')) };
  },
  ecdh(privateKey, peerX) {
    try {
      const keyObject = ephemerals.get(privateKey) ?? importScalar(privateKey);
      return plain(diffieHellman({ privateKey: keyObject, publicKey: importPoint(COMPRESSED, peerX) }));
    } catch (cause) {
      throw new SealwireError('key-invalid', 'The peer sent a public key that is not a point on P-256.', { cause });
    }
  },
};

/** A signer over a P-256 private key object; low s. */
export function nodeSigner(privateKey: KeyObject): Signer {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return {
    publicKey: plain(spki).slice(-POINT_BYTES),
    sign: (toBeSigned) => toLowS(fromDer(sign('sha256', toBeSigned, privateKey))),
  };
}

/** A verifier for an uncompressed P-256 point; takes high s too, as ECDSA does. Throws `key-invalid`. */
export function nodeVerifier(publicKey: Uint8Array): Verifier {
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('latin1');
  const known = recentVerifiers.get(name);
  if (known) return known;
  const made = makeVerifier(publicKey);
  const [oldest] = recentVerifiers.keys();
  if (recentVerifiers.size >= RECENT_VERIFIERS_MAX && oldest !== undefined) recentVerifiers.delete(oldest);
  recentVerifiers.set(name, made);
  return made;
}

function makeVerifier(publicKey: Uint8Array): Verifier {
  let key: KeyObject;
  try {
    // OpenSSL takes the hybrid form too, which would give one key two encodings.
    if (publicKey[0] !== UNCOMPRESSED) throw new Error(`form ${publicKey[0]}`);
    key = importPoint(WHOLE, publicKey);
  } catch (cause) {
    throw new SealwireError('key-invalid', 'A public key is not a point on P-256.', { cause });
  }
  return {
    verify: (toBeVerified, signature) =>
      signature.length === SIGNATURE_BYTES && verify('sha256', toBeVerified, key, toDer(signature)),
  };
}
