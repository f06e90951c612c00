/** An ephemeral P-256 key pair as EDHOC uses it: the private scalar and the public point's x coordinate, 32 bytes each. */
export interface EphemeralKeyPair {
  readonly privateKey: Uint8Array;
  readonly publicX: Uint8Array;
}

/** The AEAD algorithms of EDHOC suites 5 and 2 (RFC 9528, section 3.6; RFC 9053, section 4). */
export type AeadName = 'chacha20-poly1305' | 'aes-ccm-16-64-128';

/**
 * The synchronous primitives of protocol version 1. Two implementations, `node:crypto` and `@noble/*`, are held equal
 * by a differential test. Signing and verifying are not here: they may be slow or far away (see `Signer`, `Verifier`).
 */
export interface Crypto {
  /** `length` fresh random bytes. */
  random(length: number): Uint8Array;
  /** SHA-256, 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** HMAC-SHA-256 (RFC 2104), 32 bytes. */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** HKDF-Extract (RFC 5869, section 2.2) with SHA-256, 32 bytes. */
  hkdfExtract(salt: Uint8Array, inputKey: Uint8Array): Uint8Array;
  /** HKDF-Expand (RFC 5869, section 2.3) with SHA-256; throws `too-large` for a `length` over 8160. */
  hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** AES-256-CTR with a zero initial counter block; its own inverse. The key must never be used twice. */
  aes256Ctr(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Ciphertext ‖ tag. Throws `unsupported` where the algorithm is missing (AES-CCM outside Node). */
  aeadSeal(name: AeadName, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext, or null when the tag does not hold. */
  aeadOpen(name: AeadName, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null;
  /** A fresh P-256 key pair. */
  generateEphemeral(): EphemeralKeyPair;
  /**
   * P-256 ECDH: the shared point's x coordinate, 32 bytes (RFC 9528, section 4.1.1.1). `peerX` is an x coordinate;
   * either y gives the same result. Throws `key-invalid` for an x that is on no point of the curve.
   */
  ecdh(privateKey: Uint8Array, peerX: Uint8Array): Uint8Array;
}
