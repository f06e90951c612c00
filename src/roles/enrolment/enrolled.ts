import { equalBytes } from '../../core/bytes.ts';
import type { Crypto } from '../../core/crypto/port.ts';
import type { Enrolled, RosterReference } from '../../core/enrolment/answer.ts';
import { SealwireError } from '../../core/errors.ts';
import { type Certificate, parseCertificate } from '../../core/identity/certificate.ts';
import { formatId, identityId } from '../../core/identity/id.ts';
import { checkPath } from '../../core/identity/path.ts';
import type { Clock, Signer, VerifierFactory } from '../../core/ports.ts';

/** What a device judges its authority's gifts by. */
export interface DeviceOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly verifierOf: VerifierFactory;
  readonly name: string;
  /** The device's own key. */
  readonly signer: Signer;
}

/** Certificates that hold, and the roster to go by. */
export interface Membership {
  /** The leaf first. */
  readonly chain: readonly Certificate[];
  readonly authority: Certificate;
  /** Null in renewals. */
  readonly roster: RosterReference | null;
}

/**
 * Believes nothing that does not lead back to the authority's id (32 bytes). Throws `identity-mismatch` for another
 * authority, name or key, and what `checkPath` throws.
 */
export async function checkEnrolled(
  enrolled: Enrolled,
  authorityId: Uint8Array,
  device: DeviceOptions,
): Promise<Membership> {
  const { crypto, clock, verifierOf, name, signer } = device;
  const authority = parseCertificate(enrolled.authority);
  const shownId = identityId(crypto, authority.publicKey);
  if (!equalBytes(shownId, authorityId)) throw mismatch(`another authority, ${formatId(shownId)}, answered`);
  const chain = enrolled.chain.map(parseCertificate);
  const path = checkPath(crypto, { chain, anchors: [authority], nowMs: clock.now() });
  const verdicts = path.signatures.map(({ publicKey, toBeVerified, signature }) =>
    verifierOf(publicKey).verify(toBeVerified, signature),
  );
  const identity = path.finish(await Promise.all(verdicts));
  if (!equalBytes(identity.publicKey, signer.publicKey)) throw mismatch('the certificate is for another key');
  if (identity.name !== name) throw mismatch(`the certificate is for ${identity.name}`);
  return { chain, authority, roster: enrolled.roster };
}

function mismatch(why: string): SealwireError {
  return new SealwireError('identity-mismatch', `What came back is not for this device: ${why}.`, {
    hint: 'Nothing was taken over. Ask whoever runs the authority for a new token.',
  });
}
