import { equalBytes } from '../../core/bytes.ts';
import { SealwireError } from '../../core/errors.ts';
import { formatId } from '../../core/identity/id.ts';
import type { ValidIdentity } from '../../core/identity/path.ts';
import type { Clock } from '../../core/ports.ts';
import { pinnedName } from '../../core/roster/ids.ts';
import { memberOf } from '../../core/roster/membership.ts';
import { channelByName, mayRead, mayWrite } from '../../core/roster/rights.ts';
import type { Channel, RosterView, SignedRoster } from '../../core/roster/roster.ts';
import { forked } from '../../core/roster/succession.ts';

/** The newest roster and one of its channels. */
export interface Rights {
  readonly roster: SignedRoster;
  readonly channel: Channel;
}

/** The roster to go by; throws `roster-missing`, or why the roster counts no more: `roster-forked`, `roster-expired`. */
export function rosterNow(view: RosterView, clock: Clock): SignedRoster {
  if (view.failure) throw view.failure;
  const { current } = view;
  if (!current) {
    throw new SealwireError('roster-missing', 'There is no roster yet that says who may write and read what.', {
      hint: 'Take the one that the authority gave out: sealwire roster join.',
    });
  }
  if (current.expiresAtS !== null && current.expiresAtS * 1000 <= clock.now()) {
    throw new SealwireError('roster-expired', `Version ${current.version} of the roster ${current.name} has expired.`, {
      hint: 'Its authority has to publish a new version.',
    });
  }
  return current;
}

/** As {@link rosterNow}, with the channel of that name; throws `channel-unknown` too. */
export function rightsIn(view: RosterView, clock: Clock, name: string): Rights {
  const roster = rosterNow(view, clock);
  const channel = channelByName(roster, name);
  if (!channel) {
    throw new SealwireError('channel-unknown', `The roster ${roster.name} has no channel ${JSON.stringify(name)}.`);
  }
  return { roster, channel };
}

/** Throws `not-allowed` unless the roster lets that identity write in the channel. */
export function checkWriter({ roster, channel }: Rights, identity: ValidIdentity): void {
  const member = memberOf(roster, identity);
  if (member === null || !mayWrite(channel, member)) throw notAllowed(identity.name, 'write', channel);
}

/** Throws `not-allowed` where the roster knows that id and does not let it write, or names no writers but by their ids. */
export function checkMayBeWriter({ roster, channel }: Rights, id: Uint8Array): void {
  const pinned = pinnedName(roster, id);
  const isPossible =
    pinned === undefined
      ? roster.members.some(({ type, name }) => type === 'issued' && mayWrite(channel, name))
      : mayWrite(channel, pinned);
  if (!isPossible) throw notAllowed(pinned ?? formatId(id), 'write', channel);
}

/** Throws `not-allowed` unless the roster lets that identity read in the channel. */
export function checkReader({ roster, channel }: Rights, identity: ValidIdentity): void {
  const member = memberOf(roster, identity);
  if (member === null || !mayRead(channel, member)) throw notAllowed(identity.name, 'read', channel);
}

/**
 * Throws `roster-behind` where the ledger knows a newer roster: whoever withholds that may be hiding a removal. Throws
 * `roster-forked` where it knows another one of the same version.
 */
export function checkNotBehind(
  roster: SignedRoster,
  newest: { readonly version: number; readonly hash: Uint8Array },
): void {
  if (newest.version < roster.version) return;
  if (newest.version > roster.version) {
    const sentence = `The ledger names version ${newest.version} of the roster, and only version ${roster.version} is here.`;
    throw new SealwireError('roster-behind', sentence, {
      hint: 'Somebody withholds the newer one, or it is on its way: ask its authority to publish it.',
    });
  }
  if (!equalBytes(newest.hash, roster.hash.subarray(0, 16)))
    throw forked('the ledger holds another one of our version');
}

function notAllowed(name: string, what: string, channel: Channel): SealwireError {
  return new SealwireError('not-allowed', `The roster does not let ${name} ${what} in the channel ${channel.name}.`);
}
