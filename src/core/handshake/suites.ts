import { SIGNATURE_BYTES } from '../crypto/es256.ts';
import type { AeadName, Crypto, EphemeralKeyPair } from '../crypto/port.ts';
import { malformed } from './sequence.ts';

/** An AEAD with its lengths in bytes; `open` gives null when the tag does not hold. */
export interface SuiteAead {
  readonly keyBytes: number;
  readonly nonceBytes: number;
  readonly tagBytes: number;
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null;
}

/** An ephemeral Diffie-Hellman group; public keys are x coordinates of `publicBytes` bytes. */
export interface SuiteEcdh {
  readonly publicBytes: number;
  generate(): EphemeralKeyPair;
  /** The shared secret; throws `key-invalid` for a public key that is on no point of the curve. */
  agree(privateKey: Uint8Array, peerX: Uint8Array): Uint8Array;
}

/** An EDHOC cipher suite (RFC 9528, section 3.6) as the states use it. Its hash is SHA-256 in all that we carry. */
export interface Suite {
  /** The number on the wire. */
  readonly id: number;
  readonly aead: SuiteAead;
  /** Length of a MAC that stands in a signature's place. In method 0 both sides sign, so none does. */
  readonly macBytes: number;
  readonly ecdh: SuiteEcdh;
  /** Length of a signature in Signature_or_MAC_2 and _3. */
  readonly signatureBytes: number;
}

/** Suite 5: ChaCha20-Poly1305, SHA-256, P-256, ES256. Works in every runtime. */
export function suite5(crypto: Crypto): Suite {
  return p256Suite(5, 16, crypto, { name: 'chacha20-poly1305', keyBytes: 32, nonceBytes: 12, tagBytes: 16 });
}

/** Suite 2: AES-CCM-16-64-128, SHA-256, P-256, ES256. For constrained devices; not in browsers. */
export function suite2(crypto: Crypto): Suite {
  return p256Suite(2, 8, crypto, { name: 'aes-ccm-16-64-128', keyBytes: 16, nonceBytes: 13, tagBytes: 8 });
}

interface AeadData {
  readonly name: AeadName;
  readonly keyBytes: number;
  readonly nonceBytes: number;
  readonly tagBytes: number;
}

function p256Suite(id: number, macBytes: number, crypto: Crypto, { name, ...lengths }: AeadData): Suite {
  return {
    id,
    macBytes,
    signatureBytes: SIGNATURE_BYTES,
    aead: {
      ...lengths,
      seal: (key, nonce, aad, plaintext) => crypto.aeadSeal(name, key, nonce, aad, plaintext),
      open: (key, nonce, aad, sealed) => crypto.aeadOpen(name, key, nonce, aad, sealed),
    },
    ecdh: {
      publicBytes: 32,
      generate: () => crypto.generateEphemeral(),
      agree: (privateKey, peerX) => crypto.ecdh(privateKey, peerX),
    },
  };
}

/** Throws `malformed` for an ephemeral public key whose length is not the suite's. */
export function checkEphemeralBytes(suite: Suite, name: string, publicX: Uint8Array): void {
  const { publicBytes } = suite.ecdh;
  if (publicX.length !== publicBytes) {
    throw malformed(`${name} has ${publicX.length} bytes, in suite ${suite.id} it has ${publicBytes}`);
  }
}
