import { equalBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';
import { formatId } from '../identity/id.ts';
import { BATCH_MAX, ROTATE_AFTER_FRAMES_MAX, ROTATE_AFTER_MS_MAX } from '../limits.ts';
import type { Channel, Confirmers, Roster, RosterMember } from './roster.ts';

/** What a version says beside its number and its place in the chain. */
export type RosterContent = Omit<Roster, 'version' | 'previous' | 'issuedAtS'>;

/** What can be changed of a channel; what is left out stays. */
export type ChannelChange = Partial<Omit<Channel, 'name'>>;

const NEW_CHANNEL: Omit<Channel, 'name'> = {
  filters: [],
  writers: [],
  readers: [],
  confirmers: 'none',
  rotateAfterMs: ROTATE_AFTER_MS_MAX,
  rotateAfterFrames: ROTATE_AFTER_FRAMES_MAX,
  history: false,
  batchMax: BATCH_MAX,
  paddingBytes: 0,
  evidence: 'none',
  erasers: [],
};

/** With one member more; throws `usage` where the name or the id is taken. */
export function addMember(roster: RosterContent, member: RosterMember): RosterContent {
  const known = roster.members.find(({ name }) => name === member.name);
  if (known) {
    throw new SealwireError('usage', `There is a member ${member.name} already.`, {
      hint: '--replace puts another key in its place and revokes the one before.',
    });
  }
  checkFree(roster, member);
  return { ...roster, members: [...roster.members, member] };
}

/**
 * With another key in the place of a member's: it keeps its name and its rights, and the key that it had counts no more.
 * Throws `identity-unknown` where there is no such member, `usage` where it is no key that is named.
 */
export function replaceMember(roster: RosterContent, name: string, id: Uint8Array, timeS: number): RosterContent {
  const before = memberNamed(roster, name);
  if (before.type !== 'pin') throw new SealwireError('usage', `${name} stands for a group, not for a key.`);
  const next = { ...before, id };
  checkFree(roster, next);
  const members = roster.members.map((member) => (member === before ? next : member));
  return { ...revoke(roster, before.id, timeS, null), members };
}

/** Without a member, in whatever channel; throws `identity-unknown`. */
export function removeMember(roster: RosterContent, name: string): RosterContent {
  const gone = memberNamed(roster, name);
  const without = (names: readonly string[]): string[] => names.filter((other) => other !== name);
  return {
    ...roster,
    members: roster.members.filter((member) => member !== gone),
    channels: roster.channels.map((channel) => ({
      ...channel,
      writers: without(channel.writers),
      readers: without(channel.readers),
      erasers: without(channel.erasers),
      confirmers: confirmersWithout(channel.confirmers, name),
    })),
  };
}

/** Where nobody is left who was named to confirm, nobody has to. */
function confirmersWithout(confirmers: Confirmers, name: string): Confirmers {
  if (typeof confirmers === 'string') return confirmers;
  const left = confirmers.filter((other) => other !== name);
  return left.length === 0 ? 'none' : left;
}

/** With a channel changed, or one more. */
export function changeChannel(roster: RosterContent, name: string, change: ChannelChange): RosterContent {
  const known = roster.channels.find((channel) => channel.name === name);
  const changed = { name, ...NEW_CHANNEL, ...known, ...change };
  if (!known) return { ...roster, channels: [...roster.channels, changed] };
  return { ...roster, channels: roster.channels.map((channel) => (channel === known ? changed : channel)) };
}

/** Without a channel; throws `channel-unknown`. */
export function removeChannel(roster: RosterContent, name: string): RosterContent {
  const channels = roster.channels.filter((channel) => channel.name !== name);
  if (channels.length < roster.channels.length) return { ...roster, channels };
  throw new SealwireError('channel-unknown', `The roster has no channel ${JSON.stringify(name)}.`);
}

/** With a key that counts no more: of a member, who stays a member by name, or of somebody under an authority. */
export function revoke(roster: RosterContent, id: Uint8Array, timeS: number, sinceIndex: number | null): RosterContent {
  if (roster.revocations.some((revocation) => equalBytes(revocation.id, id))) {
    throw new SealwireError('usage', `${formatId(id)} is revoked already.`);
  }
  return { ...roster, revocations: [...roster.revocations, { id, timeS, sinceIndex }] };
}

/** The member of that name; throws `identity-unknown`. */
export function memberNamed({ members }: Pick<Roster, 'members'>, name: string): RosterMember {
  const found = members.find((member) => member.name === name);
  if (found) return found;
  throw new SealwireError('identity-unknown', `The roster has no member ${JSON.stringify(name)}.`, {
    hint: '`sealwire roster show` lists the members.',
  });
}

function checkFree({ members, revocations }: RosterContent, member: RosterMember): void {
  if (member.type !== 'pin') return;
  const same = members.find((other) => other.type === 'pin' && equalBytes(other.id, member.id));
  if (same) throw new SealwireError('usage', `${formatId(member.id)} is a member already, as ${same.name}.`);
  if (revocations.some(({ id }) => equalBytes(id, member.id))) {
    throw new SealwireError('usage', `${formatId(member.id)} was revoked, and stays so.`, {
      hint: 'Make a new key for it: sealwire id replace.',
    });
  }
}
