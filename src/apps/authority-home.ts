import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { addAuthority, EMPTY_TRUST } from '../core/identity/trust.ts';
import type { Channel } from '../core/roster/roster.ts';
import { checkRosterName } from '../core/roster/roster-check.ts';
import { issueCertificate, selfSign, writeCertificates } from '../node/certificates.ts';
import { systemClock } from '../node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { replaceFile } from '../node/files.ts';
import {
  createHome,
  type Home,
  homeAt,
  type LoadedIdentity,
  loadIdentity,
  openHome,
  readCertificate,
  readTrust,
  writeTrust,
} from '../node/home.ts';
import { generateKey } from '../node/key-files.ts';
import { RosterFiles, readRosterTrust, writeRosterTrust } from '../node/roster-files.ts';
import { RosterAuthor } from '../roles/enrolment/roster-author.ts';
import { RosterKeeper } from '../roles/roster-keeper.ts';

/** The name of the notary that runs beside an authority. */
export const NOTARY_NAME = 'notary';
/** The channel that the first version of a roster has: all who enrol write and read everything. */
export const FIRST_CHANNEL = 'all';

const DAY_MS = 86_400_000;

/** How {@link openAuthorityHome} opens. */
export interface AuthorityHomeOptions {
  /** The notary's home; the authority's own lies in it. */
  readonly directory: string;
  /** What authority and roster are called, where they are made now. */
  readonly name: string;
  readonly nowMs: number;
  /** Protects the keys that are made, and opens them. */
  readonly passphrase?: string;
}

/** An authority with its roster, and its notary's home around it. */
export interface AuthorityHome {
  readonly home: Home;
  readonly authority: LoadedIdentity;
  readonly notary: LoadedIdentity;
  readonly keeper: RosterKeeper;
  readonly author: RosterAuthor;
  /** 32 bytes: whose key signed the roster's first version. */
  readonly rosterAuthorityId: Uint8Array;
}

/** Where the authority lives in a home that `sealwire up` made. */
export function authorityDirectory(directory: string): string {
  return join(directory, 'authority');
}

/** Where an authority keeps its enrolment tokens. */
export function tokensFile(directory: string): string {
  return join(authorityDirectory(directory), 'tokens.db');
}

/**
 * Opens an authority, its roster and its notary, and makes what is missing of them: run again after a cut it goes on.
 * Throws as `createHome`, `loadIdentity` and `RosterKeeper.open` do.
 */
export async function openAuthorityHome(options: AuthorityHomeOptions): Promise<AuthorityHome> {
  const { directory, name, nowMs, passphrase } = options;
  checkRosterName(name);
  const opening = passphrase === undefined ? {} : { passphrase };
  const home = await openOrMake(directory, NOTARY_NAME, options, false);
  const own = await openOrMake(authorityDirectory(directory), name, options, true);
  // An authority's certificate allows no signatures but on certificates: its dates are judged where it issues.
  const authority = await loadIdentity(own, opening);
  await certify(home, authority, nowMs);
  const notary = await loadIdentity(home, { ...opening, nowMs });
  const { keeper, authorityId } = await rosterOf(home, authority);
  const author = new RosterAuthor({ crypto: nodeCrypto, clock: systemClock, signer: authority.signer, keeper });
  await author.begin({
    members: [{ type: 'pin', name: NOTARY_NAME, id: notary.id }],
    channels: [openChannel(FIRST_CHANNEL)],
  });
  return { home, authority, notary, keeper, author, rosterAuthorityId: authorityId };
}

async function openOrMake(directory: string, name: string, options: AuthorityHomeOptions, ca: boolean): Promise<Home> {
  const { nowMs, passphrase } = options;
  if (existsSync(homeAt(directory).keyFile)) return openHome(directory);
  const privateKey = generateKey();
  const chain = [await selfSign(privateKey, { name, nowMs, ca })];
  const contents = { privateKey, chain, trust: EMPTY_TRUST };
  return createHome(directory, passphrase === undefined ? contents : { ...contents, passphrase });
}

/** The notary gets its certificate from the authority, and trusts whom that vouches for. */
async function certify(home: Home, authority: LoadedIdentity, nowMs: number): Promise<void> {
  const [certificate] = authority.chain;
  if (!certificate) throw new SealwireError('internal', 'An authority has no certificate.');
  const trust = await readTrust(home);
  const trusting = addAuthority(nodeCrypto, trust, { name: authority.name, certificate });
  if (trusting !== trust) await writeTrust(home, trusting);
  const { name, chain } = await readCertificate(home);
  const [leaf] = chain;
  if (!leaf || (equalBytes(leaf.issuer, certificate.subject) && nowMs < leaf.notAfterMs - 30 * DAY_MS)) return;
  const issued = await issueCertificate(authority, leaf.publicKey, { name, nowMs });
  await replaceFile(home.certificateFile, writeCertificates(issued.map(({ der }) => der)));
}

async function rosterOf(
  home: Home,
  authority: LoadedIdentity,
): Promise<{ readonly keeper: RosterKeeper; readonly authorityId: Uint8Array }> {
  const trust = (await readRosterTrust(home)) ?? { name: authority.name, authorityId: authority.id };
  await writeRosterTrust(home, trust);
  const store = new RosterFiles(home);
  const keeper = await RosterKeeper.open({ ...trust, crypto: nodeCrypto, verifierOf: nodeVerifier, store });
  return { keeper, authorityId: trust.authorityId };
}

function openChannel(name: string): Channel {
  return {
    name,
    filters: ['#'],
    writers: [],
    readers: [],
    confirmers: 'none',
    rotateAfterMs: DAY_MS,
    rotateAfterFrames: 2 ** 20,
    history: false,
    batchMax: 1024,
    paddingBytes: 0,
    evidence: 'none',
    erasers: [],
  };
}
