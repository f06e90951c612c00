import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import type { Credential } from './credential.ts';
import type { Suite } from './suites.ts';

/** How a side presents itself. Its private key stays with the caller. */
export interface OwnCredential {
  /** Public key of the certificate, as the signer and the peer's certificate have it (P-256: 65 bytes). */
  readonly publicKey: Uint8Array;
  /** The own certificate, DER (CRED_x). */
  readonly certificate: Uint8Array;
  /** How the certificate travels. */
  readonly credential: Credential;
}

/** What either side starts from. */
export interface HandshakeOptions {
  readonly crypto: Crypto;
  /** In order of preference, at least one. */
  readonly suites: readonly Suite[];
  readonly own: OwnCredential;
}

/** Presents oneself by the certificates themselves (DER, the own one first): what Sealwire always does. */
export function presentChain(publicKey: Uint8Array, certificates: readonly Uint8Array[]): OwnCredential {
  const [certificate] = certificates;
  if (certificate === undefined) throw new SealwireError('internal', 'An identity has no certificate to present.');
  return { publicKey, certificate, credential: { type: 'x5chain', certificates } };
}

/** Throws `internal` where a signer gave something that is no signature of this suite. */
export function checkOwnSignature(suite: Suite, signature: Uint8Array): void {
  if (signature.length === suite.signatureBytes) return;
  throw new SealwireError(
    'internal',
    `The signer gave ${signature.length} bytes; a signature of suite ${suite.id} has ${suite.signatureBytes}.`,
  );
}
