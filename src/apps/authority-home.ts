import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { addAuthority } from '../core/identity/trust.ts';
import { checkRosterName } from '../core/roster/roster-check.ts';
import { addMember, changeChannel } from '../core/roster/roster-edit.ts';
import type { RosterTrust } from '../core/roster/succession.ts';
import { issueCertificate, selfSign, writeCertificates } from '../node/certificates.ts';
import { nodeCrypto } from '../node/crypto.ts';
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
import { readRosterTrust } from '../node/roster-files.ts';
import { beginRosterAs, editRosterAs, ownRoster } from './roster/authority.ts';
import { joinRoster } from './roster/taking.ts';

/** The channel that a roster has which is made here: all who enrol write and read everything. */
export const FIRST_CHANNEL = 'all';

const NOTARY_NAME = 'notary';
const DAY_MS = 86_400_000;
/** The notary's certificate is made anew when so little of it is left. */
const NOTARY_LEFT_MS: number = 30 * DAY_MS;

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

/** An authority with its roster, and its notary. */
export interface AuthorityHome {
  /** Of the authority's own home, which keeps roster and tokens. */
  readonly directory: string;
  readonly authority: LoadedIdentity;
  readonly notary: LoadedIdentity;
  /** On whose word the roster's first version is believed. */
  readonly trust: RosterTrust;
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
 * Throws as `createHome`, `loadIdentity` and `openRoster` do.
 */
export async function openAuthorityHome(options: AuthorityHomeOptions): Promise<AuthorityHome> {
  const { name, nowMs, passphrase } = options;
  checkRosterName(name);
  const opening = passphrase === undefined ? {} : { passphrase };
  const home = await openOrMake(options.directory, NOTARY_NAME, options, false);
  const directory = authorityDirectory(options.directory);
  // An authority's certificate allows no signatures but on certificates: its dates are judged where it issues.
  const authority = await loadIdentity(await openOrMake(directory, name, options, true), opening);
  await certify(home, authority, nowMs);
  const notary = await loadIdentity(home, { ...opening, nowMs });
  const trust = await openOwnRoster(directory, authority, notary);
  await giveRoster(home, directory, trust);
  return { directory, authority, notary, trust };
}

async function openOrMake(directory: string, name: string, options: AuthorityHomeOptions, ca: boolean): Promise<Home> {
  const { nowMs, passphrase } = options;
  if (existsSync(homeAt(directory).keyFile)) return openHome(directory);
  const privateKey = generateKey();
  const contents = { privateKey, chain: [await selfSign(privateKey, { name, nowMs, ca })] };
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
  if (!leaf || (equalBytes(leaf.issuer, certificate.subject) && nowMs < leaf.notAfterMs - NOTARY_LEFT_MS)) return;
  const issued = await issueCertificate(authority, leaf.publicKey, { name, nowMs });
  await replaceFile(home.certificateFile, writeCertificates(issued.map(({ der }) => der)));
}

/** The notary goes by the authority's roster. */
async function giveRoster(home: Home, directory: string, trust: RosterTrust): Promise<void> {
  const { keeper, now } = await ownRoster(directory);
  const versions = Array.from({ length: now.version }, (_, i) => keeper.bytesOf(i + 1) ?? new Uint8Array());
  await joinRoster(home, trust, versions);
}

async function openOwnRoster(
  directory: string,
  authority: LoadedIdentity,
  { name, id }: LoadedIdentity,
): Promise<RosterTrust> {
  const home = await openHome(directory);
  if (!(await readRosterTrust(home))) await beginRosterAs(authority, directory, authority.name);
  const { now } = await ownRoster(directory);
  if (now.version === 1) {
    await editRosterAs(authority, directory, (roster) =>
      changeChannel(addMember(roster, { type: 'pin', name, id }), FIRST_CHANNEL, { filters: ['#'] }),
    );
  }
  const trust = await readRosterTrust(home);
  if (!trust) throw new SealwireError('internal', 'A roster was begun and is not there.');
  return trust;
}
