import { formatId, parseId } from '../../core/identity/id.ts';
import {
  addMember,
  type ChannelChange,
  changeChannel,
  type RosterContent,
  removeChannel,
  removeMember,
  revoke,
} from '../../core/roster/roster-edit.ts';
import { systemClock } from '../../node/clock.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { type LoadedIdentity, loadIdentity, openHome } from '../../node/home.ts';
import { publishRoster } from '../../roles/bus/roster-feed.ts';
import { type BrokerAccess, connectAs } from '../connect-broker.ts';
import { beginRosterAs, editRosterAs, ownRoster } from './authority.ts';
import { joinRosterFile, rosterFile } from './taking.ts';

/** The home of a roster's authority. */
export interface AuthorityOptions {
  /** The directory that `sealwire init` made. */
  readonly home: string;
  /** For a home whose key is protected. */
  readonly passphrase?: string;
}

/** What the next version of a roster says differently; in this order. */
export interface RosterChanges {
  /** Members who are members no more, in whatever channel. */
  readonly remove?: readonly string[];
  /** Members more: name to id, `SHA256:…`. */
  readonly add?: Readonly<Record<string, string>>;
  /** By name: what is given is changed, or the channel is made; null removes it. */
  readonly channels?: Readonly<Record<string, ChannelChange | null>>;
  /** Ids, `SHA256:…`, of keys that count no more. */
  readonly revoke?: readonly string[];
}

/** Begins a roster; the identity of this home is its authority and first member. Throws `usage` where it has one already. */
export async function createRoster({
  name,
  ...own
}: AuthorityOptions & { readonly name: string }): Promise<RosterAuthority> {
  const identity = await openOwn(own);
  await beginRosterAs(identity, own.home, name);
  return new RosterAuthority(own.home, identity);
}

/** Goes on with the roster of this home; throws `roster-missing` where there is none. */
export async function openRosterAuthority(own: AuthorityOptions): Promise<RosterAuthority> {
  const identity = await openOwn(own);
  await ownRoster(own.home);
  return new RosterAuthority(own.home, identity);
}

/** How {@link takeRoster} takes one. */
export interface TakeRosterOptions {
  /** The directory that `sealwire init` made. */
  readonly home: string;
  /** `SHA256:…` of the authority, compared with whoever runs it. */
  readonly authority: string;
  /** What {@link RosterAuthority.file} or `sealwire roster publish --out` gave. */
  readonly file: Uint8Array;
}

/**
 * From now on a home goes by a roster: its authority's word decides whom it writes to and reads. Throws `usage` where it
 * goes by one already, `roster-invalid` where the authority is another one, and what else is wrong with the file.
 */
export async function takeRoster({ home, authority, file }: TakeRosterOptions): Promise<void> {
  await joinRosterFile(await openHome(home), parseId(authority), file);
}

/** A roster in the hands of its authority. Made by {@link createRoster} and {@link openRosterAuthority}. */
export class RosterAuthority {
  /** `SHA256:…`: what members compare before they take the roster. */
  readonly id: string;
  readonly #home: string;
  readonly #identity: LoadedIdentity;

  constructor(home: string, identity: LoadedIdentity) {
    this.id = formatId(identity.id);
    this.#home = home;
    this.#identity = identity;
  }

  /**
   * Signs the next version and gives its number; members learn of it by {@link publish}, or from each other. Throws
   * `not-allowed`, `usage`, `identity-unknown`, `channel-unknown`, `roster-invalid`, and then nothing has changed.
   */
  async change(changes: RosterChanges): Promise<number> {
    const edit = (before: RosterContent, timeS: number): RosterContent => changed(before, changes, timeS);
    return (await editRosterAs(this.#identity, this.#home, edit)).version;
  }

  /** Every version, for members to take. */
  async file(): Promise<Uint8Array> {
    return rosterFile((await ownRoster(this.#home)).keeper);
  }

  /** Has a broker keep every version for whoever comes; rejects with `broker-unreachable` or `broker-refused`. */
  async publish(url: string, access: BrokerAccess = {}): Promise<void> {
    const { keeper } = await ownRoster(this.#home);
    await using broker = await connectAs(this.#identity, url, { clock: systemClock, crypto: nodeCrypto }, access);
    await publishRoster(broker, keeper);
  }
}

function changed(before: RosterContent, changes: RosterChanges, timeS: number): RosterContent {
  const { remove = [], add = {}, channels = {}, revoke: revoked = [] } = changes;
  let next = before;
  for (const name of remove) next = removeMember(next, name);
  for (const [name, id] of Object.entries(add)) next = addMember(next, { type: 'pin', name, id: parseId(id) });
  for (const [name, change] of Object.entries(channels)) {
    next = change === null ? removeChannel(next, name) : changeChannel(next, name, change);
  }
  for (const id of revoked) next = revoke(next, parseId(id), timeS, null);
  return next;
}

async function openOwn({ home, passphrase }: AuthorityOptions): Promise<LoadedIdentity> {
  const nowMs = systemClock.now();
  return loadIdentity(await openHome(home), { ...(passphrase === undefined ? {} : { passphrase }), nowMs });
}
