import { equalBytes } from '../bytes.ts';
import { isSealwireError } from '../errors.ts';
import { type Certificate, parseCertificate } from '../identity/certificate.ts';
import type { Anchor, ValidIdentity } from '../identity/path.ts';
import { isRevoked, pinnedName } from './ids.ts';
import type { IssuedMembers, Roster } from './roster.ts';

/** Parsing X.509 costs more than all else that is done here, and rosters stay. */
const parsed = new WeakMap<IssuedMembers, Certificate | null>();

type Known = Pick<ValidIdentity, 'id' | 'name' | 'authority'>;

/** Every frame asks who somebody is; rosters and identities stay. */
const answers = new WeakMap<Roster, WeakMap<Known, string | null>>();

/**
 * The name under which the roster's channels know an identity: that of its pin, or of the group whose authority issued
 * its certificate for a name of the group's pattern. Null for somebody who is no member, or whose key counts no more.
 */
export function memberOf(roster: Roster, identity: Known): string | null {
  const given = answers.get(roster) ?? new WeakMap<Known, string | null>();
  answers.set(roster, given);
  const before = given.get(identity);
  if (before !== undefined) return before;
  const member = findMember(roster, identity);
  given.set(identity, member);
  return member;
}

function findMember(roster: Roster, { id, authority, name }: Known): string | null {
  if (isRevoked(roster, id)) return null;
  const pinned = pinnedName(roster, id);
  if (pinned !== undefined) return pinned;
  if (!authority) return null;
  for (const member of roster.members) {
    if (member.type !== 'issued' || !matchesPattern(member.pattern, name)) continue;
    const certificate = certificateOf(member);
    if (certificate && equalBytes(certificate.publicKey, authority)) return member.name;
  }
  return null;
}

/** What a peer's certificates may end in, where it is the roster that says whom to trust. */
export function rosterAnchors(roster: Roster): Anchor[] {
  return roster.members.flatMap((member): Anchor[] => {
    if (member.type === 'issued') {
      const certificate = certificateOf(member);
      return certificate ? [certificate] : [];
    }
    return isRevoked(roster, member.id) ? [] : [{ name: member.name, id: member.id }];
  });
}

/** True where `*` in the pattern can stand for what is left of the name. */
export function matchesPattern(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** Null for one that cannot be read: nobody is a member by it, and the other members are none the worse. */
function certificateOf(member: IssuedMembers): Certificate | null {
  const known = parsed.get(member);
  if (known !== undefined) return known;
  const certificate = tryParse(member.certificate);
  parsed.set(member, certificate);
  return certificate;
}

function tryParse(der: Uint8Array): Certificate | null {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (isSealwireError(error)) return null;
    throw error;
  }
}
