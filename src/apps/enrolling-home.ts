import { existsSync } from 'node:fs';
import { equalBytes } from '../core/bytes.ts';
import type { RosterReference } from '../core/enrolment/answer.ts';
import type { EnrolmentToken } from '../core/enrolment/token.ts';
import { SealwireError } from '../core/errors.ts';
import { checkName } from '../core/identity/id.ts';
import { checkClock } from '../core/identity/path.ts';
import { addAuthority } from '../core/identity/trust.ts';
import type { BrokerConnection, Clock } from '../core/ports.ts';
import { selfSign, writeCertificates } from '../node/certificates.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { replaceFile } from '../node/files.ts';
import {
  createHome,
  type Home,
  homeAt,
  type LoadedIdentity,
  loadIdentity,
  openHome,
  readTrust,
  writeTrust,
} from '../node/home.ts';
import { generateKey } from '../node/key-files.ts';
import { RosterFiles, readRosterTrust, writeRosterTrust } from '../node/roster-files.ts';
import { followRoster } from '../roles/bus/roster-feed.ts';
import type { Membership } from '../roles/enrolment/enrolled.ts';
import { enrol } from '../roles/enrolment/enrolling.ts';
import { RosterKeeper } from '../roles/roster-keeper.ts';

/** A home that is to be enrolled. */
export interface EnrollingHome {
  readonly home: Home;
  readonly identity: LoadedIdentity;
}

/**
 * The home at `directory`, or a new one with a key of its own: that is there before it is asked for, so that whoever is
 * cut in between asks with the same key again. Throws `clock-unset`, `usage` where name and home do not go together,
 * and as `createHome` and `loadIdentity` do.
 */
export async function openEnrollingHome(
  directory: string,
  options: { readonly name: string | undefined; readonly passphrase: string | undefined; readonly nowMs: number },
): Promise<EnrollingHome> {
  const { name, passphrase, nowMs } = options;
  checkClock(nowMs);
  const opening = passphrase === undefined ? {} : { passphrase };
  if (!existsSync(homeAt(directory).keyFile)) {
    if (name === undefined) {
      throw new SealwireError('usage', 'A new device needs a name.', { hint: 'Add --name NAME, as the token has it.' });
    }
    const privateKey = generateKey();
    const chain = [await selfSign(privateKey, { name: checkName(name), nowMs })];
    await createHome(directory, { privateKey, chain, ...opening });
  }
  const home = await openHome(directory);
  // A certificate that has expired is one more reason to ask for another.
  const identity = await loadIdentity(home, opening);
  if (name === undefined || name === identity.name) return { home, identity };
  throw new SealwireError('usage', `The home at ${directory} is that of ${identity.name}, not of ${name}.`, {
    hint: 'Leave out --name, or choose another directory with --home DIR.',
  });
}

/** How {@link enrolHome} asks. */
export interface EnrolHomeOptions {
  readonly token: EnrolmentToken;
  readonly clock: Clock;
  readonly broker: BrokerConnection;
  readonly waitMs: number;
}

/**
 * Enrols a home: its certificate, whom it trusts, and the roster that it goes by. Rejects as `enrol` does, with
 * `key-changed` or `usage` where the home trusts another authority under that name, and `roster-missing` where the
 * broker does not show the roster. Run again it goes on.
 */
export async function enrolHome(
  { home, identity }: EnrollingHome,
  { token, clock, broker, waitMs }: EnrolHomeOptions,
): Promise<RosterKeeper> {
  const { name, signer } = identity;
  const shared = { crypto: nodeCrypto, clock, verifierOf: nodeVerifier };
  const membership = await enrol(token, { ...shared, name, signer, broker, waitMs });
  const { roster } = membership;
  if (!roster) throw new SealwireError('roster-missing', 'The authority names no roster to go by.');
  await checkSameRoster(home, roster);
  await takeCertificates(home, membership);
  await writeRosterTrust(home, roster);
  const store = new RosterFiles(home);
  const keeper = await RosterKeeper.open({ ...roster, crypto: nodeCrypto, verifierOf: nodeVerifier, store });
  await fetchRoster(keeper, roster, { broker, clock, waitMs });
  return keeper;
}

/** The new chain in the home, and the authority among those it trusts; throws `key-changed`, `usage`. */
async function takeCertificates(home: Home, { chain, authority }: Membership): Promise<void> {
  const trust = await readTrust(home);
  const name = authority.commonName ?? 'authority';
  const trusting = addAuthority(nodeCrypto, trust, { name, certificate: authority });
  if (trusting !== trust) await writeTrust(home, trusting);
  await replaceFile(home.certificateFile, writeCertificates(chain.map(({ der }) => der)));
}

async function checkSameRoster(home: Home, { name, authorityId }: RosterReference): Promise<void> {
  const known = await readRosterTrust(home);
  if (!known || (known.name === name && equalBytes(known.authorityId, authorityId))) return;
  throw new SealwireError(
    'usage',
    `The home at ${home.directory} goes by the roster ${known.name} of another authority.`,
    {
      hint: 'Enrol with a home of its own: --home DIR. Nothing was changed.',
    },
  );
}

async function fetchRoster(
  keeper: RosterKeeper,
  { version, hash, name }: RosterReference,
  { broker, clock, waitMs }: Pick<EnrolHomeOptions, 'broker' | 'clock' | 'waitMs'>,
): Promise<void> {
  const isThere = (): boolean => (keeper.current?.version ?? 0) >= version;
  const arrived = Promise.withResolvers<void>();
  const stop = keeper.onChange(() => isThere() && arrived.resolve());
  if (isThere()) arrived.resolve();
  const cancel = clock.after(waitMs, () => arrived.reject(missing(name, version)));
  const following = await followRoster(broker, keeper, clock, (error) => {
    if (error.code === 'roster-forked') arrived.reject(error);
  });
  try {
    await arrived.promise;
  } finally {
    stop();
    cancel();
    await following.unsubscribe();
  }
  const ours = keeper.hashOf(version);
  if (ours && equalBytes(ours, hash)) return;
  throw new SealwireError(
    'roster-forked',
    `Version ${version} of the roster is another one than the authority names.`,
    {
      hint: 'Ask whoever runs the authority; do not use this home.',
    },
  );
}

function missing(name: string, version: number): SealwireError {
  return new SealwireError('roster-missing', `The broker does not show version ${version} of the roster ${name}.`, {
    hint: 'The certificate is there. Does the broker keep retained messages? Run it again.',
  });
}
