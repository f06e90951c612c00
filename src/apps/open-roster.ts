import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { formatId, shellWord } from '../core/identity/id.ts';
import { type Anchor, checkPath, type ValidIdentity } from '../core/identity/path.ts';
import { anchorsOf, pinById, pinByName, type TrustList } from '../core/identity/trust.ts';
import { rosterAnchors } from '../core/roster/membership.ts';
import type { Roster } from '../core/roster/roster.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import type { Home, LoadedIdentity } from '../node/home.ts';
import { RosterFiles, readRosterTrust } from '../node/roster-files.ts';
import { RosterKeeper } from '../roles/roster-keeper.ts';

/** The roster that a home goes by; undefined for none. Throws what keeps it from being relied on. */
export async function openRoster(home: Home): Promise<RosterKeeper | undefined> {
  const trust = await readRosterTrust(home);
  if (!trust) return undefined;
  const store = new RosterFiles(home);
  return RosterKeeper.open({ ...trust, crypto: nodeCrypto, verifierOf: nodeVerifier, store });
}

/**
 * What a peer's certificates may end in: whom the home trusts, and whom its roster names. Throws `key-changed` where
 * both know a name and not the same key.
 */
export function anchorsWith(trust: TrustList, roster: Roster | null | undefined): readonly Anchor[] {
  if (!roster) return anchorsOf(trust);
  checkSameKeys(trust, roster);
  return [...anchorsOf(trust), ...rosterAnchors(roster)];
}

/** An identity as others see it who go by the roster: with the authority that vouches for it, where one does. */
export function asMember(identity: LoadedIdentity, roster: Roster | null | undefined, nowMs: number): ValidIdentity {
  const { id, publicKey, name, certificates, chain } = identity;
  const own = { id, publicKey, name, trust: 'pin' as const, authority: null, certificates };
  const authorities = roster ? rosterAnchors(roster).filter((anchor) => 'der' in anchor) : [];
  if (authorities.length === 0) return own;
  try {
    // Its signatures are for others to check: whoever gets this wrong is let in nowhere.
    const path = checkPath(nodeCrypto, { chain, anchors: authorities, nowMs });
    return path.finish(path.signatures.map(() => true));
  } catch {
    return own;
  }
}

function checkSameKeys(trust: TrustList, { members, name: rosterName }: Roster): void {
  for (const member of members) {
    if (member.type !== 'pin') continue;
    const pin = pinByName(trust, member.name);
    // Somebody trusted under another name of one's own is who the roster says.
    if (!pin || equalBytes(pin.id, member.id) || pinById(trust, member.id)) continue;
    const shown = `${formatId(pin.id)}, but the roster ${rosterName} names ${formatId(member.id)}`;
    throw new SealwireError('key-changed', `${member.name} is trusted as ${shown}.`, {
      hint: `Ask ${member.name}. If the roster is right: sealwire trust remove ${shellWord(member.name)}`,
    });
  }
}
