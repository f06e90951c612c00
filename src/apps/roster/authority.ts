import { equalBytes } from '../../core/bytes.ts';
import { decodeCbor, encodeCbor } from '../../core/cbor.ts';
import { toLowS } from '../../core/crypto/es256.ts';
import { SealwireError } from '../../core/errors.ts';
import { identityId } from '../../core/identity/id.ts';
import type { Roster, SignedRoster } from '../../core/roster/roster.ts';
import type { RosterContent } from '../../core/roster/roster-edit.ts';
import { draftRoster } from '../../core/roster/signed-roster.ts';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import { type Home, type LoadedIdentity, openHome } from '../../node/home.ts';
import { RosterFiles, readRosterTrust, writeRosterTrust } from '../../node/roster-files.ts';
import { RosterKeeper } from '../../roles/roster-keeper.ts';
import { openIdentity } from '../identity.ts';
import { openRoster } from '../open-roster.ts';

/** How an authority's home is opened. */
export interface AuthorityFlags {
  readonly passphraseFile?: string;
}

/** A roster file holds this many versions at most; a keeper that lacks more asks the broker. */
const FILE_VERSIONS_MAX = 4096;

/** The home's roster; throws `roster-missing`. */
export async function ownRoster(
  directory: string,
): Promise<{ readonly keeper: RosterKeeper; readonly now: SignedRoster }> {
  const keeper = await openRoster(await openHome(directory));
  const now = keeper?.current;
  if (keeper?.failure) throw keeper.failure;
  if (keeper && now) return { keeper, now };
  throw new SealwireError('roster-missing', 'This home goes by no roster yet.', {
    hint: 'Begin one: sealwire roster init NAME. Or take the one that you were given: sealwire roster join.',
  });
}

/** Begins a roster, whose authority is the identity of this home; throws `usage` where the home goes by one already. */
export async function beginRoster(directory: string, name: string, flags: AuthorityFlags): Promise<SignedRoster> {
  return beginRosterAs(await authorityOf(directory, flags), directory, name);
}

/** As {@link beginRoster}, where the home's identity is open already. */
export async function beginRosterAs(identity: LoadedIdentity, directory: string, name: string): Promise<SignedRoster> {
  const home = await openHome(directory);
  if (await readRosterTrust(home)) {
    throw new SealwireError('usage', 'This home goes by a roster already.', { hint: 'sealwire roster show' });
  }
  const roster: Roster = {
    ...{ name, version: 1, previous: null, authorityKey: identity.publicKey, issuedAtS: nowS(), expiresAtS: null },
    members: [{ type: 'pin', name: identity.name, id: identity.id }],
    ...{ channels: [], revocations: [] },
  };
  const bytes = await sign(roster, identity);
  const trust = { name, authorityId: identity.id };
  await writeRosterTrust(home, trust);
  return take(home, trust, bytes);
}

/** Signs the version that follows, with what `edit` changes; throws `not-allowed` where this home is not the authority. */
export async function editRoster(
  directory: string,
  flags: AuthorityFlags,
  edit: (roster: RosterContent, timeS: number) => RosterContent,
): Promise<SignedRoster> {
  return editRosterAs(await authorityOf(directory, flags), directory, edit);
}

/** As {@link editRoster}, where the home's identity is open already. */
export async function editRosterAs(
  identity: LoadedIdentity,
  directory: string,
  edit: (roster: RosterContent, timeS: number) => RosterContent,
): Promise<SignedRoster> {
  const { keeper, now } = await ownRoster(directory);
  if (!equalBytes(identityId(nodeCrypto, now.authorityKey), identity.id)) {
    throw new SealwireError('not-allowed', `${identity.name} is not the authority of the roster ${now.name}.`, {
      hint: 'Only its authority can change it.',
    });
  }
  // A clock that was set back does not make a version older than the one before.
  const issuedAtS = Math.max(nowS(), now.issuedAtS);
  const next = { ...edit(now, issuedAtS), version: now.version + 1, previous: now.hash, issuedAtS };
  await keeper.offer(await sign(next, identity));
  return keeper.current ?? now;
}

/** The home goes by this roster from now on; throws what is wrong with it. */
export async function joinRoster(
  home: Home,
  trust: { readonly name: string; readonly authorityId: Uint8Array },
  versions: readonly Uint8Array[],
): Promise<RosterKeeper> {
  const keeper = await RosterKeeper.open({ ...parts(home), ...trust });
  for (const bytes of versions) await keeper.offer(bytes);
  if (keeper.current) await writeRosterTrust(home, trust);
  return keeper;
}

/** Every version of a roster in one file. */
export function rosterFile(keeper: RosterKeeper): Uint8Array {
  const versions: Uint8Array[] = [];
  for (let version = 1; version <= (keeper.current?.version ?? 0); version++) {
    versions.push(keeper.bytesOf(version) ?? new Uint8Array(0));
  }
  return encodeCbor(versions);
}

/** The versions in such a file; throws `malformed`. */
export function readRosterFile(bytes: Uint8Array): Uint8Array[] {
  const versions = decodeCbor(bytes, { bytesMax: bytes.length });
  const isList = Array.isArray(versions) && versions.length > 0 && versions.length <= FILE_VERSIONS_MAX;
  if (isList && versions.every((version) => version instanceof Uint8Array)) return versions;
  throw new SealwireError('malformed', 'This is not a roster file.', {
    hint: 'sealwire roster publish --out makes one.',
  });
}

async function authorityOf(directory: string, { passphraseFile }: AuthorityFlags): Promise<LoadedIdentity> {
  return openIdentity(directory, { nowMs: Date.now(), passphraseFile });
}

async function sign(roster: Roster, { id, signer }: LoadedIdentity): Promise<Uint8Array> {
  const draft = draftRoster(roster, id);
  return draft.finish(toLowS(await signer.sign(draft.toBeSigned)));
}

async function take(
  home: Home,
  trust: { readonly name: string; readonly authorityId: Uint8Array },
  bytes: Uint8Array,
): Promise<SignedRoster> {
  const keeper = await joinRoster(home, trust, [bytes]);
  if (keeper.current) return keeper.current;
  throw new SealwireError('internal', 'A roster that was just signed is not accepted here.');
}

function parts(home: Home): Pick<Parameters<typeof RosterKeeper.open>[0], 'crypto' | 'verifierOf' | 'store'> {
  return { crypto: nodeCrypto, verifierOf: nodeVerifier, store: new RosterFiles(home) };
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}
