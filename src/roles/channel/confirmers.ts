import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import { isRevoked, mayRead } from '../../core/roster/rights.ts';
import type { Channel, Roster } from '../../core/roster/roster.ts';
import type { Rights } from './rights.ts';

/** Readers that the roster names by key, without oneself and without those revoked; ids of 32 bytes. */
export function pinnedReaders({ roster, channel }: Rights, ownId: Uint8Array): Uint8Array[] {
  return readersOf(roster, ownId, (name) => mayRead(channel, name));
}

/**
 * Who has to confirm a frame before it counts as delivered, as ids in hex; null where the first reader to do so is
 * enough, undefined where nobody has to. `granted` are readers that the roster does not name by key.
 */
export function confirmersOf(
  { roster, channel }: Rights,
  ownId: Uint8Array,
  granted: Iterable<string>,
): Set<string> | null | undefined {
  const { confirmers } = channel;
  if (confirmers === 'none') return undefined;
  if (confirmers === 'any') return null;
  const names = confirmers === 'all' ? channel.readers : confirmers;
  const pinned = readersOf(roster, ownId, (name) => names.includes(name)).map(bytesToHex);
  if (confirmers !== 'all') return new Set(pinned);
  const all = new Set([...pinned, ...granted]);
  // Readers that only an authority vouches for are known once they are there: till then the first one is waited for.
  return all.size === 0 && hasIssuedReaders(roster, channel) ? null : all;
}

/** True where a reader of that name confirms what it reads in the channel. */
export function doesConfirm({ confirmers }: Channel, member: string): boolean {
  return confirmers === 'any' || confirmers === 'all' || confirmers.includes(member);
}

function hasIssuedReaders({ members }: Roster, channel: Channel): boolean {
  return members.some(({ type, name }) => type === 'issued' && mayRead(channel, name));
}

function readersOf(roster: Roster, ownId: Uint8Array, isMeant: (name: string) => boolean): Uint8Array[] {
  return roster.members.flatMap((member) => {
    if (member.type !== 'pin' || !isMeant(member.name)) return [];
    return equalBytes(member.id, ownId) || isRevoked(roster, member.id) ? [] : [member.id];
  });
}
