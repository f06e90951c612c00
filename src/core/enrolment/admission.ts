import { equalBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';
import type { Channel, PinnedMember, RosterMember } from '../roster/roster.ts';
import { addMember, changeChannel, type RosterContent } from '../roster/roster-edit.ts';

/** Who is to be let in. */
export type Newcomer = Pick<PinnedMember, 'name' | 'id'>;

/**
 * The roster with a device as member, who writes and reads in the channels of those names; `roster` itself where it
 * says so already. Throws `enrolment-refused` where the name stands for another key, or the key was revoked or has
 * another name, and `channel-unknown`.
 */
export function admit<R extends RosterContent>(
  roster: R,
  { name, id }: Newcomer,
  channels: readonly string[],
): R | RosterContent {
  checkFree(roster, { name, id });
  const unknown = channels.find((channel) => !roster.channels.some((known) => known.name === channel));
  if (unknown !== undefined) throw new SealwireError('channel-unknown', `The roster has no channel ${unknown}.`);
  const isNew = !roster.members.some((member) => isPinned(member, id));
  const changed = roster.channels.filter((channel) => channels.includes(channel.name) && !isIn(channel, name));
  if (!isNew && changed.length === 0) return roster;
  const withMember = isNew ? addMember(roster, { type: 'pin', name, id }) : roster;
  return changed.reduce(
    (next: RosterContent, { name: channel, writers, readers }) =>
      changeChannel(next, channel, { writers: withName(writers, name), readers: withName(readers, name) }),
    withMember,
  );
}

/** True where the roster names this device by this key, and the key counts. */
export function isAdmitted(roster: RosterContent, { name, id }: Newcomer): boolean {
  return (
    !roster.revocations.some((revocation) => equalBytes(revocation.id, id)) &&
    roster.members.some((member) => member.name === name && isPinned(member, id))
  );
}

function checkFree(roster: RosterContent, { name, id }: Newcomer): void {
  if (roster.revocations.some((revocation) => equalBytes(revocation.id, id))) {
    throw refused(`the key of ${name} was revoked; it needs another one`);
  }
  const namesake = roster.members.find((member) => member.name === name);
  if (namesake && !isPinned(namesake, id)) {
    throw refused(`${name} is in the roster with another key, which has to be taken out first`);
  }
  const same = roster.members.find((member) => isPinned(member, id));
  if (same && same.name !== name) throw refused(`the key of ${name} is in the roster as ${same.name}`);
}

function isPinned(member: RosterMember, id: Uint8Array): boolean {
  return member.type === 'pin' && equalBytes(member.id, id);
}

function isIn({ writers, readers }: Channel, name: string): boolean {
  return writers.includes(name) && readers.includes(name);
}

function withName(names: readonly string[], name: string): readonly string[] {
  return names.includes(name) ? names : [...names, name];
}

function refused(why: string): SealwireError {
  return new SealwireError('enrolment-refused', `Not let into the roster: ${why}.`);
}
