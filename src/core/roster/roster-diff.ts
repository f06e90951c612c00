import { bytesToHex, equalBytes } from '../bytes.ts';
import { formatId } from '../identity/id.ts';
import type { Channel, Roster, RosterMember } from './roster.ts';

/** One difference between two versions, as a line: `+ member boiler SHA256:…`. */
export interface RosterDifference {
  readonly sign: '+' | '-' | '~';
  readonly what: string;
}

/** What `after` says and `before` did not, and the other way round. */
export function rosterDiff(before: Roster, after: Roster): RosterDifference[] {
  return [
    ...listDiff(before.members, after.members, ({ name }) => name, memberText, isSameMember),
    ...listDiff(before.channels, after.channels, ({ name }) => name, channelText),
    ...listDiff(
      before.revocations,
      after.revocations,
      ({ id }) => bytesToHex(id),
      ({ id, sinceIndex }) => `revoked ${formatId(id)}${sinceIndex === null ? '' : ` since entry ${sinceIndex}`}`,
    ),
    ...(equalBytes(before.authorityKey, after.authorityKey) ? [] : [{ sign: '~', what: 'another authority' } as const]),
    ...(before.expiresAtS === after.expiresAtS ? [] : [{ sign: '~', what: expiryText(after) } as const]),
  ];
}

/** A member in one line. */
export function memberText(member: RosterMember): string {
  if (member.type === 'pin') return `member ${member.name} ${formatId(member.id)}`;
  return `member ${member.name} ${JSON.stringify(member.pattern)} under an authority`;
}

/** A channel in one line. */
export function channelText(channel: Channel): string {
  const { name, filters, writers, readers, confirmers, rotateAfterMs, rotateAfterFrames, batchMax } = channel;
  const more = [
    `confirmed by ${typeof confirmers === 'string' ? confirmers : confirmers.join(', ') || 'none'}`,
    `new keys after ${rotateAfterMs / 1000} s or ${rotateAfterFrames} frames`,
    `batches of ${batchMax}`,
    ...(channel.paddingBytes > 0 ? [`padded to ${channel.paddingBytes}`] : []),
    ...(channel.history ? ['with history'] : []),
    ...(channel.evidence === 'keep' ? ['keeps evidence'] : []),
    ...(channel.erasers.length > 0 ? [`erased by ${channel.erasers.join(', ')}`] : []),
  ];
  const who = `writers ${writers.join(', ') || 'none'}; readers ${readers.join(', ') || 'none'}`;
  return `channel ${name} on ${filters.join(' ')}: ${who}; ${more.join('; ')}`;
}

function expiryText({ expiresAtS }: Roster): string {
  return expiresAtS === null ? 'expires never' : `expires ${new Date(expiresAtS * 1000).toISOString()}`;
}

/** A group’s line does not show which authority it is under, and another one lets other people in. */
function isSameMember(one: RosterMember, other: RosterMember): boolean {
  if (one.type === 'issued' && other.type === 'issued' && !equalBytes(one.certificate, other.certificate)) return false;
  return memberText(one) === memberText(other);
}

function listDiff<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (item: T) => string,
  textOf: (item: T) => string,
  isSame = (one: T, other: T): boolean => textOf(one) === textOf(other),
): RosterDifference[] {
  const old = new Map(before.map((item) => [keyOf(item), item]));
  const now = new Map(after.map((item) => [keyOf(item), item]));
  const gone = before
    .filter((item) => !now.has(keyOf(item)))
    .map((item) => ({ sign: '-' as const, what: textOf(item) }));
  const changed = after.flatMap((item): RosterDifference[] => {
    const then = old.get(keyOf(item));
    if (then !== undefined && isSame(then, item)) return [];
    return [{ sign: then === undefined ? '+' : '~', what: textOf(item) }];
  });
  return [...gone, ...changed];
}
