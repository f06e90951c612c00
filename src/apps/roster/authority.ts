import { equalBytes } from '../../core/bytes.ts';
import { toLowS } from '../../core/crypto/es256.ts';
import { SealwireError } from '../../core/errors.ts';
import { formatId, identityId } from '../../core/identity/id.ts';
import type { Roster, SignedRoster } from '../../core/roster/roster.ts';
import { rosterDiff } from '../../core/roster/roster-diff.ts';
import type { RosterContent } from '../../core/roster/roster-edit.ts';
import { draftRoster } from '../../core/roster/signed-roster.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { type LoadedIdentity, openHome } from '../../node/home.ts';
import type { RosterKeeper } from '../../roles/roster-keeper.ts';
import { openRoster } from '../open-roster.ts';
import { checkWithoutRoster, judgeRoster, keepRoster } from './taking.ts';

/** What a version says, made of what the one before said; `timeS` is when, in seconds since 1970. */
export type RosterEdit = (before: RosterContent, timeS: number) => RosterContent;

/** The home's roster; throws `roster-missing`, or why it counts no more. */
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

/** Begins a roster, whose authority and first member is this home’s identity; throws `usage` where that has one already. */
export async function beginRosterAs(identity: LoadedIdentity, directory: string, name: string): Promise<SignedRoster> {
  const home = await openHome(directory);
  await checkWithoutRoster(home);
  const roster: Roster = {
    ...{ name, version: 1, previous: null, authorityKey: identity.publicKey, issuedAtS: nowS(), expiresAtS: null },
    members: [{ type: 'pin', name: identity.name, id: identity.id }],
    ...{ channels: [], revocations: [] },
  };
  const trust = { name, authorityId: identity.id };
  const keeper = await judgeRoster(trust);
  await keeper.offer(await sign(roster, identity));
  await keepRoster(home, trust, keeper);
  return newest(keeper);
}

/**
 * Signs the version that follows. Throws `not-allowed` where this home is not the authority, `usage` where nothing would
 * change, and `roster-invalid` where the roster would contradict itself.
 */
export async function editRosterAs(
  identity: LoadedIdentity,
  directory: string,
  edit: RosterEdit,
): Promise<SignedRoster> {
  const { keeper, now } = await ownRoster(directory);
  const authorityId = identityId(nodeCrypto, now.authorityKey);
  if (!equalBytes(authorityId, identity.id)) {
    throw new SealwireError('not-allowed', `${identity.name} is not the authority of the roster ${now.name}.`, {
      hint: `Only its authority can change it: ${formatId(authorityId)}.`,
    });
  }
  // A clock that was set back does not make a version older than the one before.
  const issuedAtS = Math.max(nowS(), now.issuedAtS);
  const next = { ...edit(now, issuedAtS), version: now.version + 1, previous: now.hash, issuedAtS };
  if (rosterDiff(now, next).length === 0) {
    throw new SealwireError('usage', `The roster ${now.name} says that already.`, {
      hint: '`sealwire roster show` prints it.',
    });
  }
  await keeper.offer(await sign(next, identity));
  return newest(keeper);
}

async function sign(roster: Roster, { id, signer }: LoadedIdentity): Promise<Uint8Array> {
  const draft = draftRoster(roster, id);
  return draft.finish(toLowS(await signer.sign(draft.toBeSigned)));
}

function newest({ current }: RosterKeeper): SignedRoster {
  if (current) return current;
  throw new SealwireError('internal', 'A roster that was just signed is not accepted here.');
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}
