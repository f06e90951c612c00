import type { Crypto } from '../core/crypto/port.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import type { Credential } from '../core/handshake/credential.ts';
import type { Established } from '../core/handshake/established.ts';
import { type HandshakeOptions, presentChain } from '../core/handshake/own.ts';
import type { PeerClaim } from '../core/handshake/peer.ts';
import { deriveSessionSecrets } from '../core/handshake/session-keys.ts';
import { suite2, suite5 } from '../core/handshake/suites.ts';
import type { ValidIdentity } from '../core/identity/path.ts';
import type { Clock, Signer, VerifierFactory } from '../core/ports.ts';
import type { Authenticating, Expected } from './authenticating.ts';
import type { SessionStart } from './session.ts';

/** Oneself, as handshakes present and prove it. */
export interface OwnIdentity {
  readonly name: string;
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  readonly signer: Signer;
}

/** What every handshake of one peer shares. */
export interface HandshakeParty {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly identity: OwnIdentity;
  readonly verifierOf: VerifierFactory;
  readonly authenticating: Authenticating;
  readonly timeoutMs: number;
}

/** What the states of either side start from: both suites, the better one first, and one's own certificates. */
export function handshakeOptions({ crypto, identity }: HandshakeParty): HandshakeOptions {
  return {
    crypto,
    suites: [suite5(crypto), suite2(crypto)],
    own: presentChain(identity.signer.publicKey, identity.certificates),
  };
}

/**
 * Certificates first, then whom we expect, then the proof that the peer holds the key. Rejects with what
 * {@link Authenticating.judge} rejects with, `identity-unknown`, `identity-mismatch` or `signature-invalid`.
 */
export async function prove<Next>(
  party: HandshakeParty,
  claim: PeerClaim<Next>,
  expected: Expected,
): Promise<{ readonly peer: ValidIdentity; readonly next: Next }> {
  const peer = await party.authenticating.judge(chainOf(claim.credential), expected);
  const check = claim.identify({ publicKey: peer.publicKey, accepted: true });
  const valid = await party.verifierOf(check.publicKey).verify(check.toBeVerified, check.signature);
  return { peer, next: check.finish(valid) };
}

function chainOf(credential: Credential): readonly Uint8Array[] {
  if (credential.type === 'x5chain') return credential.certificates;
  throw new SealwireError('identity-unknown', 'The peer refers to its certificate without presenting it.', {
    hint: 'Let the peer present its certificate (x5chain).',
  });
}

/** What a session begins with, as `role` has it. The two share no roster yet: its name is empty. */
export function toStart(
  { identity }: HandshakeParty,
  { exporter }: Established,
  peer: ValidIdentity,
  role: 'initiator' | 'responder',
): SessionStart {
  const isInitiator = role === 'initiator';
  const secrets = deriveSessionSecrets(exporter, {
    rosterName: '',
    initiatorId: isInitiator ? identity.id : peer.id,
    responderId: isInitiator ? peer.id : identity.id,
  });
  const initiator = { ...secrets.initiator, seq: 0 };
  const responder = { ...secrets.responder, seq: 0 };
  return {
    sessionId: secrets.sessionId,
    peer,
    sending: isInitiator ? initiator : responder,
    receiving: isInitiator ? responder : initiator,
  };
}

/** What a peer's error message comes to, whatever it says: the reason stays with the peer. */
export function refusedByPeer(): SealwireError {
  return new SealwireError('handshake-failed', 'The peer refused the handshake.', {
    hint: 'The peer knows why; often it does not trust this identity: `sealwire trust add` there.',
  });
}

/** `cause` where it is an error of ours; else `internal`, which has it as its cause. */
export function toSealwireError(cause: unknown): SealwireError {
  return isSealwireError(cause) ? cause : new SealwireError('internal', 'The handshake failed.', { cause });
}
