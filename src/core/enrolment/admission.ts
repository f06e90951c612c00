import { equalBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';
import { isRevoked } from '../roster/rights.ts';
import type { Channel, PinnedMember, Roster } from '../roster/roster.ts';

/** Lists of a roster's next version. */
export type Admission = Pick<Roster, 'members' | 'channels'>;

/** Who is to be let in. */
export type Newcomer = Pick<PinnedMember, 'name' | 'id'>;

/**
 * The roster with a device as member, who writes and reads in the channels of those names; null where it says so
 * already. Throws `enrolment-refused` where the name stands for another key, or the key was revoked or has another
 * name, and `channel-unknown`.
 */
export function admitted(roster: Roster, { name, id }: Newcomer, channels: readonly string[]): Admission | null {
  if (isRevoked(roster, id)) throw refused(`the key of ${name} was revoked; it needs another one`);
  const namesake = roster.members.find((member) => member.name === name);
  if (namesake && !isPinned(namesake, id)) {
    throw refused(`${name} is in the roster with another key, which has to be taken out first`);
  }
  const same = roster.members.find((member) => isPinned(member, id));
  if (same && same.name !== name) throw refused(`the key of ${name} is in the roster as ${same.name}`);
  const unknown = channels.find((channel) => !roster.channels.some((known) => known.name === channel));
  if (unknown !== undefined) throw new SealwireError('channel-unknown', `The roster has no channel ${unknown}.`);
  const next = roster.channels.map((channel) =>
    channels.includes(channel.name) ? withMember(channel, name) : channel,
  );
  const isNew = next.some((channel, i) => channel !== roster.channels[i]);
  if (same && !isNew) return null;
  return { members: same ? roster.members : [...roster.members, { type: 'pin', name, id }], channels: next };
}

/** True where the roster names this device by this key, and the key counts. */
export function isAdmitted(roster: Roster, { name, id }: Newcomer): boolean {
  return !isRevoked(roster, id) && roster.members.some((member) => member.name === name && isPinned(member, id));
}

function isPinned(member: Roster['members'][number], id: Uint8Array): boolean {
  return member.type === 'pin' && equalBytes(member.id, id);
}

function withMember(channel: Channel, name: string): Channel {
  const { writers, readers } = channel;
  if (writers.includes(name) && readers.includes(name)) return channel;
  return { ...channel, writers: withName(writers, name), readers: withName(readers, name) };
}

function withName(names: readonly string[], name: string): readonly string[] {
  return names.includes(name) ? names : [...names, name];
}

function refused(why: string): SealwireError {
  return new SealwireError('enrolment-refused', `Not let into the roster: ${why}.`);
}
