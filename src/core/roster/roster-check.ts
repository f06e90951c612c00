import { bytesToHex, utf8ToBytes } from '../bytes.ts';
import { SealwireError } from '../errors.ts';
import { nameProblem } from '../identity/id.ts';
import { BATCH_MAX, CHANNEL_NAME_BYTES_MAX, ROTATE_AFTER_FRAMES_MAX, ROTATE_AFTER_MS_MAX } from '../limits.ts';
import { checkFilter } from '../topic.ts';
import type { Channel, Roster, RosterMember } from './roster.ts';

/** A roster's bounds, so that whoever reads one does bounded work. */
const ROSTER_MEMBERS_MAX = 4096;
const CHANNELS_MAX = 256;
const FILTERS_MAX = 64;
const REVOCATIONS_MAX = 4096;
const PATTERN_CHARACTERS_MAX = 64;
const PADDING_BYTES_MAX = 65_536;

/**
 * Throws `roster-invalid` where a roster contradicts itself or says what nobody could follow, and `topic-invalid` for a
 * filter. Anybody can show one, so this takes time in proportion to its bytes.
 */
export function checkRoster(roster: Roster): void {
  const { name, version, previous, members, channels, revocations } = roster;
  checkRosterName(name);
  if (version < 1 || (version === 1) !== (previous === null)) throw invalid('only the first version follows none');
  if (roster.expiresAtS !== null && roster.expiresAtS <= roster.issuedAtS) throw invalid('it expires before its time');
  checkCount('members', members, ROSTER_MEMBERS_MAX);
  checkCount('channels', channels, CHANNELS_MAX);
  checkCount('revocations', revocations, REVOCATIONS_MAX);
  for (const member of members) checkMember(member);
  checkOnce(
    'the member',
    members.map((member) => member.name),
  );
  checkOnce(
    'the id',
    members.flatMap((member) => (member.type === 'pin' ? [bytesToHex(member.id)] : [])),
  );
  checkOnce(
    'the channel',
    channels.map((channel) => channel.name),
  );
  checkOnce(
    'the revoked id',
    revocations.map(({ id }) => bytesToHex(id)),
  );
  const types = new Map(members.map((member) => [member.name, member.type]));
  for (const channel of channels) checkChannel(channel, types);
}

/** A name that goes into topics and labels; throws `roster-invalid`. */
export function checkRosterName(name: string): string {
  if (/^[\p{L}\p{N}._-]{1,32}$/u.test(name)) return name;
  throw invalid(`${JSON.stringify(name.slice(0, 40))} is no name for it: 1 to 32 letters, digits, dots, - and _`);
}

function checkMember(member: RosterMember): void {
  const problem = nameProblem(member.name);
  if (problem !== undefined) throw invalid(`a member’s name cannot be used: ${problem}`);
  if (member.type === 'pin') return;
  const { pattern, name } = member;
  if (pattern === '' || [...pattern].length > PATTERN_CHARACTERS_MAX || /\p{Cc}/u.test(pattern)) {
    throw invalid(`the pattern of ${name} is not 1 to ${PATTERN_CHARACTERS_MAX} characters`);
  }
}

function checkChannel(channel: Channel, types: ReadonlyMap<string, RosterMember['type']>): void {
  const { name, filters, writers, readers, confirmers, erasers } = channel;
  if (nameProblem(name) !== undefined || utf8ToBytes(name).length > CHANNEL_NAME_BYTES_MAX) {
    throw invalid(`${JSON.stringify(name.slice(0, 40))} is no name for a channel`);
  }
  if (filters.length === 0 || filters.length > FILTERS_MAX) {
    throw invalid(`the channel ${name} has not 1 to ${FILTERS_MAX} topic filters`);
  }
  for (const filter of filters) checkChannelFilter(filter);
  checkOnce(`in ${name} the filter`, filters);
  const lists = { writers, readers, erasers, confirmers: typeof confirmers === 'string' ? [] : confirmers };
  for (const [what, list] of Object.entries(lists)) {
    checkOnce(`among the ${what} of ${name}`, list);
    const stranger = list.find((member) => !types.has(member));
    if (stranger !== undefined) throw invalid(`${stranger}, one of the ${what} of ${name}, is no member`);
  }
  const reading = new Set(readers);
  const silent = lists.confirmers.find((member) => !reading.has(member));
  if (silent !== undefined) throw invalid(`${silent} is to confirm in ${name}, but does not read there`);
  const group = lists.confirmers.find((member) => types.get(member) !== 'pin');
  if (group !== undefined) throw invalid(`${group} is to confirm in ${name}, but is a group that nobody can count`);
  if (typeof confirmers !== 'string' && confirmers.length === 0) throw invalid(`nobody is named to confirm in ${name}`);
  checkNumbers(channel);
}

function checkChannelFilter(filter: string): void {
  checkFilter(filter);
  if (`${filter}/`.startsWith('sealwire/') || filter.startsWith('$')) {
    throw invalid(`the filter ${filter} reaches into what is not for applications`);
  }
}

function checkNumbers({ name, rotateAfterMs, rotateAfterFrames, batchMax, paddingBytes, evidence }: Channel): void {
  const bounds = [
    ['its batches', batchMax, 1, BATCH_MAX],
    ['the age of its ratchets', rotateAfterMs, 1000, ROTATE_AFTER_MS_MAX],
    ['the frames of its ratchets', rotateAfterFrames, 1, ROTATE_AFTER_FRAMES_MAX],
    ['its padding', paddingBytes, 0, PADDING_BYTES_MAX],
  ] as const;
  for (const [what, value, min, max] of bounds) {
    if (value < min || value > max) throw invalid(`in ${name} ${what} must be from ${min} to ${max}, not ${value}`);
  }
  // Evidence opens a frame: what else is in it would be shown with it.
  if (evidence === 'keep' && batchMax !== 1)
    throw invalid(`${name} keeps evidence, so a frame holds one message there`);
}

function checkCount(what: string, list: readonly unknown[], max: number): void {
  if (list.length > max) throw invalid(`it has ${list.length} ${what}, over ${max}`);
}

function checkOnce(what: string, values: readonly string[]): void {
  const seen = new Set<string>();
  for (const value of values) {
    if (seen.has(value)) throw invalid(`${what} ${value} stands twice`);
    seen.add(value);
  }
}

function invalid(why: string): SealwireError {
  return new SealwireError('roster-invalid', `Not a roster to go by: ${why}.`);
}
