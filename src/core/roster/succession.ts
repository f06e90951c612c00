import { equalBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { identityId } from '../identity/id.ts';
import type { SignedRoster } from './roster.ts';
import { isSelfSigned } from './signed-roster.ts';

/** How a version stands to the newest one that was accepted. */
export type Step =
  /** It follows; accept it if its signature holds under `signerKey` (65 bytes). */
  | { readonly type: 'next'; readonly signerKey: Uint8Array }
  /** It is the newest one, or one before it. */
  | { readonly type: 'known' }
  /** Versions between are missing; it has to wait for them. */
  | { readonly type: 'ahead' };

/** What a first version is believed on: whose key it must be signed with, 32 bytes, and the roster's name. */
export interface RosterTrust {
  readonly authorityId: Uint8Array;
  readonly name: string;
}

/**
 * How `offered` stands to `current`, by number and hash: forward only, one version at a time. A first version must be
 * its authority's own. `hashOf` gives the hash of a version that was accepted. Throws `roster-invalid` for one that is
 * of another roster, or cannot follow; whether two versions are a fork is known only once a signature was checked: see
 * {@link forked}.
 */
export function stepTo(crypto: Crypto, trust: RosterTrust, current: SignedRoster | null, offered: SignedRoster): Step {
  if (offered.name !== trust.name) throw invalid(`it is of ${offered.name}, not of ${trust.name}`);
  if (current === null) return offered.version === 1 ? first(crypto, trust, offered) : { type: 'ahead' };
  if (offered.version <= current.version) return { type: 'known' };
  if (offered.version > current.version + 1) return { type: 'ahead' };
  if (!equalBytes(identityId(crypto, current.authorityKey), offered.signerId)) {
    throw invalid(`version ${offered.version} is not signed by the authority that version ${current.version} names`);
  }
  return { type: 'next', signerKey: current.authorityKey };
}

function first(crypto: Crypto, { authorityId }: RosterTrust, offered: SignedRoster): Step {
  if (!equalBytes(offered.signerId, authorityId) || !isSelfSigned(crypto, offered)) {
    throw invalid('its first version is not the one of the authority that is trusted for it');
  }
  return { type: 'next', signerKey: offered.authorityKey };
}

/** Throws what keeps a genuinely signed next version from following: `roster-forked` or `roster-invalid`. */
export function checkFollows(current: SignedRoster | null, next: SignedRoster): void {
  if (current === null) return;
  if (!next.previous || !equalBytes(next.previous, current.hash)) {
    throw forked(`version ${next.version} follows another version ${current.version} than ours`);
  }
  if (next.issuedAtS < current.issuedAtS) throw invalid(`version ${next.version} is older than the one before it`);
}

/** How labels and blocks name a version: its number and 16 bytes of its hash. */
export function rosterClaim({ version, hash }: SignedRoster): { readonly version: number; readonly hash: Uint8Array } {
  return { version, hash: hash.subarray(0, 16) };
}

/** The authority has signed two rosters where there can be one only: nothing of it can be relied on. */
export function forked(why: string): SealwireError {
  return new SealwireError('roster-forked', `The roster’s authority has signed two histories: ${why}.`, {
    hint: 'Nothing is written or read under it any more. Ask whoever holds the authority’s key.',
  });
}

function invalid(why: string): SealwireError {
  return new SealwireError('roster-invalid', `A roster was turned away: ${why}.`);
}
