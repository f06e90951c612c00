import { toLowS } from '../../src/core/crypto/es256.ts';
import type { Channel, Roster, RosterMember, SignedRoster } from '../../src/core/roster/roster.ts';
import { decodeRoster, draftRoster } from '../../src/core/roster/signed-roster.ts';
import type { RosterStore } from '../../src/core/roster/store.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import { NOW_MS } from './identities.ts';

/** Signs a roster as somebody. */
export async function signRoster(
  roster: Roster,
  { id, signer }: Pick<OwnIdentity, 'id' | 'signer'>,
): Promise<Uint8Array> {
  const draft = draftRoster(roster, id);
  return draft.finish(toLowS(await signer.sign(draft.toBeSigned)));
}

/** What the next version says beside what the one before says. */
export interface RosterChange extends Partial<Omit<Roster, 'version' | 'previous'>> {
  readonly members?: readonly RosterMember[];
  readonly channels?: readonly Channel[];
}

/** A roster's versions, each signed by the authority of the one before. */
export async function versionsOf(
  authority: Pick<OwnIdentity, 'id' | 'signer'>,
  changes: readonly RosterChange[],
): Promise<SignedRoster[]> {
  const versions: SignedRoster[] = [];
  for (const change of changes) versions.push(await nextVersion(authority, versions.at(-1) ?? null, change));
  return versions;
}

/** The version after `before`, signed by `authority`. */
export async function nextVersion(
  authority: Pick<OwnIdentity, 'id' | 'signer'>,
  before: SignedRoster | null,
  change: RosterChange = {},
): Promise<SignedRoster> {
  const content = before ?? {
    ...{ name: 'works', authorityKey: authority.signer.publicKey, issuedAtS: NOW_MS / 1000, expiresAtS: null },
    ...{ members: [], channels: [], revocations: [] },
  };
  const roster = { ...content, ...change, version: (before?.version ?? 0) + 1, previous: before?.hash ?? null };
  return decodeRoster(nodeCrypto, await signRoster(roster, authority));
}

/** A store for as long as the test. */
export class MemoryRosters implements RosterStore {
  readonly kept = new Map<number, Uint8Array>();
  forked: Uint8Array | null = null;

  async load(): Promise<readonly Uint8Array[]> {
    return [...this.kept.entries()].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes);
  }

  async keep(version: number, bytes: Uint8Array): Promise<void> {
    this.kept.set(version, bytes);
  }

  async fork(): Promise<Uint8Array | null> {
    return this.forked;
  }

  async keepFork(bytes: Uint8Array): Promise<void> {
    this.forked ??= bytes;
  }
}
