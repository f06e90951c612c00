import { bytesToHex } from '../bytes.ts';
import type { Roster } from './roster.ts';

interface Ids {
  /** Names of pinned members, by id in hex. */
  readonly pinned: ReadonlyMap<string, string>;
  readonly revoked: ReadonlySet<string>;
}

/** Rosters stay, and have thousands of members: looking through them would cost more than opening a frame. */
const known = new WeakMap<Roster, Ids>();

/** The name under which the roster pins that id; undefined for an id that it does not name. */
export function pinnedName(roster: Roster, id: Uint8Array): string | undefined {
  return idsOf(roster).pinned.get(bytesToHex(id));
}

/** True where the roster says that a key counts no more. */
export function isRevoked(roster: Roster, id: Uint8Array): boolean {
  return roster.revocations.length > 0 && idsOf(roster).revoked.has(bytesToHex(id));
}

function idsOf(roster: Roster): Ids {
  const before = known.get(roster);
  if (before) return before;
  const pinned = new Map<string, string>();
  for (const member of roster.members) {
    if (member.type === 'pin' && !pinned.has(bytesToHex(member.id))) pinned.set(bytesToHex(member.id), member.name);
  }
  const ids = { pinned, revoked: new Set(roster.revocations.map(({ id }) => bytesToHex(id))) };
  known.set(roster, ids);
  return ids;
}
