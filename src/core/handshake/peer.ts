import { compareBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';
import { type Credential, isReferenceTo } from './credential.ts';
import type { HandshakeOptions } from './own.ts';

/** What the caller found out about the credential that a peer presents. */
export interface PeerFinding {
  /** Public key in the peer's own certificate, in the form of {@link OwnCredential.publicKey}. */
  readonly publicKey: Uint8Array;
  /** The certificate (DER) that an x5t refers to; left out for an x5chain, which holds it. */
  readonly certificate?: Uint8Array;
  /** True only where the certificates are valid to a trusted root or pin *and* name the identity expected here. */
  readonly accepted: boolean;
}

/** The peer once all is done, as its finding and its proof have it. */
export interface Peer {
  readonly publicKey: Uint8Array;
  /** Its own certificate, DER. */
  readonly certificate: Uint8Array;
  readonly credential: Credential;
}

/** Somebody says who it is; nothing of it is proven yet. The only way on is {@link PeerClaim.identify}. */
export interface PeerClaim<Next> {
  readonly credential: Credential;
  /**
   * Goes on where the caller accepts the identity; throws `identity-mismatch` where it does not, or where the peer
   * presents our own. Throws `identity-unknown` for an x5t without its certificate.
   */
  identify(finding: PeerFinding): PeerCheck<Next>;
}

/** The peer's signature, to be verified by the caller, now or later, here or elsewhere. */
export interface PeerCheck<Next> {
  readonly publicKey: Uint8Array;
  readonly toBeVerified: Uint8Array;
  readonly signature: Uint8Array;
  /** Goes on where the signature is valid; throws `signature-invalid` where it is not. */
  finish(valid: boolean): Next;
}

/** The accepted peer of a finding; throws as {@link PeerClaim.identify} says. */
export function acceptPeer(options: HandshakeOptions, credential: Credential, finding: PeerFinding): Peer {
  const { publicKey } = finding;
  if (compareBytes(publicKey, options.own.publicKey) === 0) {
    throw new SealwireError('identity-mismatch', 'The peer presents our own identity: our messages came back to us.', {
      hint: 'Check the address; both ends must have identities of their own.',
    });
  }
  if (!finding.accepted) {
    throw new SealwireError('identity-mismatch', 'The peer is not the identity that was expected.', {
      hint: 'Compare the fingerprint with the one its owner shows.',
    });
  }
  return { publicKey, credential, certificate: endEntity(options, credential, finding) };
}

/** Throws `signature-invalid` unless the caller found the peer's signature valid. */
export function checkVerdict(valid: boolean): void {
  if (valid) return;
  throw new SealwireError('signature-invalid', 'The peer did not prove that it holds the key of its certificate.', {
    hint: 'Somebody may stand between the two sides; nothing was sent.',
  });
}

function endEntity(options: HandshakeOptions, credential: Credential, finding: PeerFinding): Uint8Array {
  if (credential.type === 'x5chain') {
    const [certificate] = credential.certificates;
    if (certificate) return certificate;
  } else if (finding.certificate && isReferenceTo(options.crypto, credential, finding.certificate)) {
    return finding.certificate;
  }
  throw new SealwireError('identity-unknown', 'The certificate that the peer refers to is not at hand.', {
    hint: 'Let the peer present its certificate (x5chain).',
  });
}
