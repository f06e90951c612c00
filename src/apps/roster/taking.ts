import { decodeCbor, encodeCbor } from '../../core/cbor.ts';
import { SealwireError } from '../../core/errors.ts';
import { decodeRoster } from '../../core/roster/signed-roster.ts';
import type { RosterTrust } from '../../core/roster/succession.ts';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import type { Home } from '../../node/home.ts';
import { RosterFiles, readRosterTrust, writeRosterTrust } from '../../node/roster-files.ts';
import { RosterKeeper } from '../../roles/roster-keeper.ts';

/** A roster file holds this many versions at most; a keeper that lacks more asks the broker. */
const FILE_VERSIONS_MAX = 4096;

/** Throws `usage` where the home goes by a roster already. */
export async function checkWithoutRoster(home: Home): Promise<void> {
  if (!(await readRosterTrust(home))) return;
  throw new SealwireError('usage', 'This home goes by a roster already.', {
    hint: 'Newer versions come by themselves, through the broker; `sealwire roster show` prints the newest.',
  });
}

/** Judges versions that the home does not go by yet; nothing of them is kept before {@link keepRoster}. */
export function judgeRoster(trust: RosterTrust): Promise<RosterKeeper> {
  const store = { load: async () => [], keep: async () => {}, fork: async () => null, keepFork: async () => {} };
  return RosterKeeper.open({ ...trust, store, crypto: nodeCrypto, verifierOf: nodeVerifier });
}

/** The home goes by these versions, and by what follows them, from now on; throws `file-unwritable`. */
export async function keepRoster(home: Home, trust: RosterTrust, keeper: RosterKeeper): Promise<void> {
  const files = new RosterFiles(home);
  // What an attempt that was cut short has left would not hold together with these.
  await files.clear();
  for (const [index, bytes] of versionsIn(keeper).entries()) await files.keep(index + 1, bytes);
  await writeRosterTrust(home, trust);
}

/** The home goes by these versions from now on; throws what is wrong with one of them, and then none of them is kept. */
export async function joinRoster(
  home: Home,
  trust: RosterTrust,
  versions: readonly Uint8Array[],
): Promise<RosterKeeper> {
  const keeper = await judgeRoster(trust);
  for (const bytes of versions) {
    const outcome = await keeper.offer(bytes);
    if (typeof outcome !== 'string') {
      throw new SealwireError('roster-invalid', `Version ${outcome.missing[0] ?? 1} of the roster is missing.`, {
        hint: 'A whole one comes from: sealwire roster publish --out FILE.',
      });
    }
  }
  await keepRoster(home, trust, keeper);
  return keeper;
}

/** As {@link joinRoster}, with a roster file; throws `usage` where the home goes by a roster already. */
export async function joinRosterFile(home: Home, authorityId: Uint8Array, file: Uint8Array): Promise<RosterKeeper> {
  await checkWithoutRoster(home);
  const [first, ...rest] = readRosterFile(file);
  return joinRoster(home, { name: decodeRoster(nodeCrypto, first).name, authorityId }, [first, ...rest]);
}

/** Every version of a roster in one file. */
export function rosterFile(keeper: RosterKeeper): Uint8Array {
  return encodeCbor(versionsIn(keeper));
}

function versionsIn(keeper: RosterKeeper): Uint8Array[] {
  return Array.from({ length: keeper.current?.version ?? 0 }, (_, i) => keeper.bytesOf(i + 1) ?? new Uint8Array(0));
}

function readRosterFile(bytes: Uint8Array): [Uint8Array, ...Uint8Array[]] {
  const [first, ...rest] = versionsOf(bytes);
  if (first && rest.length < FILE_VERSIONS_MAX) return [first, ...rest];
  throw notOne();
}

function versionsOf(bytes: Uint8Array): Uint8Array[] {
  let versions: unknown;
  try {
    versions = decodeCbor(bytes, { bytesMax: bytes.length });
  } catch (cause) {
    throw notOne(cause);
  }
  if (Array.isArray(versions) && versions.every((version) => version instanceof Uint8Array)) return versions;
  throw notOne();
}

function notOne(cause?: unknown): SealwireError {
  return new SealwireError('malformed', 'This is not a roster file.', {
    hint: '`sealwire roster publish --out FILE` makes one.',
    cause,
  });
}
