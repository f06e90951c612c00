import { rm } from 'node:fs/promises';
import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { formatId, identityId } from '../core/identity/id.ts';
import { addAuthority } from '../core/identity/trust.ts';
import { BACKUP_BYTES_MAX, openBackup, sealBackup } from '../node/backup.ts';
import { issueCertificate, selfSign } from '../node/certificates.ts';
import { nodeCrypto, nodeSigner } from '../node/crypto.ts';
import { createFile, readSmallFile } from '../node/files.ts';
import { createHome, type Home, loadIdentity, openHome, readCertificate, readTrust, writeTrust } from '../node/home.ts';
import { generateKey } from '../node/key-files.ts';
import { readPassphrase } from '../node/passphrase.ts';
import { replaceIdentity } from '../node/replacing.ts';
import { RosterFiles, readRosterTrust } from '../node/roster-files.ts';
import { type IdentityView, openIdentity, showIdentity } from './identity.ts';
import { channelsFile } from './open-bus.ts';
import { openRoster } from './open-roster.ts';
import { joinRoster } from './roster/taking.ts';

/** What `id export` takes beside the home; secrets come from files only. */
export interface ExportOptions {
  readonly file: string;
  /** Opens this home's key, where that is protected. */
  readonly passphraseFile?: string;
  /** Seals the backup. */
  readonly backupPassphraseFile: string;
}

/** Writes what lasts of a home into one sealed file; throws `file-unwritable` where something stands there already. */
export async function exportHome(directory: string, options: ExportOptions): Promise<void> {
  const { file, passphraseFile, backupPassphraseFile } = options;
  const home = await openHome(directory);
  const backupPassphrase = await readPassphrase(backupPassphraseFile);
  const passphrase = passphraseFile === undefined ? {} : { passphrase: await readPassphrase(passphraseFile) };
  // An expired certificate is worth keeping too: its date is not judged.
  const { privateKey, chain } = await loadIdentity(home, passphrase);
  const trustText = await readSmallFile(home.trustFile);
  await readTrust(home);
  const trust = await readRosterTrust(home);
  const roster = trust ? { trust, versions: await new RosterFiles(home).load() } : null;
  const text = await sealBackup({ privateKey, chain, trustText, roster }, backupPassphrase);
  await createFile(file, text).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EEXIST' ? 'something stands there already' : (cause.code ?? 'unknown error');
    throw new SealwireError('file-unwritable', `${file} cannot be written: ${why}.`, {
      hint: 'Choose a new file; none is overwritten.',
      cause,
    });
  });
}

/** What `id import` takes. */
export interface ImportOptions {
  readonly file: string;
  /** Protects the key in the new home. */
  readonly passphraseFile?: string;
  /** Opens the backup. */
  readonly backupPassphraseFile: string;
  readonly nowMs: number;
}

/** Makes a new home of a backup. Throws as `createHome` and `openBackup`. */
export async function importHome(directory: string, options: ImportOptions): Promise<IdentityView> {
  const { file, passphraseFile, backupPassphraseFile, nowMs } = options;
  const passphrase = passphraseFile === undefined ? {} : { passphrase: await readPassphrase(passphraseFile) };
  const text = await readSmallFile(file, { bytesMax: BACKUP_BYTES_MAX });
  const { privateKey, chain, trust, roster } = await openBackup(text, await readPassphrase(backupPassphraseFile), file);
  const home = await createHome(directory, { privateKey, chain, trust, ...passphrase });
  if (roster) await joinRoster(home, roster.trust, roster.versions);
  return showIdentity(home, nowMs);
}

/** What `id replace` takes. */
export interface ReplaceOptions {
  /** The home of the authority that issues the new certificate; the identity signs its own where it is missing. */
  readonly issuer?: string;
  readonly issuerPassphraseFile?: string;
  /** Protects the new key. */
  readonly passphraseFile?: string;
  readonly nowMs: number;
}

/** The identity before and after. */
export interface Replaced {
  readonly before: { readonly name: string; readonly id: string; readonly certificateFile: string };
  readonly now: IdentityView;
}

/**
 * Gives a home another key for the same name, and keeps the old certificate beside it. Throws `usage` for an authority,
 * whose certificates would be worth nothing, and as issuing does.
 */
export async function replaceKey(directory: string, options: ReplaceOptions): Promise<Replaced> {
  const { issuer, issuerPassphraseFile, passphraseFile, nowMs } = options;
  const home = await openHome(directory);
  const { name, id, chain } = await readCertificate(home);
  const rosterKey = (await openRoster(home))?.current?.authorityKey;
  const signsRoster = rosterKey && equalBytes(identityId(nodeCrypto, rosterKey), id);
  if (chain[0]?.isCa || signsRoster) throw isAuthority(name);
  const passphrase = passphraseFile === undefined ? {} : { passphrase: await readPassphrase(passphraseFile) };
  const privateKey = generateKey();
  const next =
    issuer === undefined
      ? [await selfSign(privateKey, { name, nowMs })]
      : await issued(home, { directory: issuer, passphraseFile: issuerPassphraseFile }, privateKey, { name, nowMs });
  // Ratchets are their sender's, by its key; those of others are granted anew to the new one.
  for (const suffix of ['', '-wal', '-shm']) await rm(channelsFile(directory) + suffix, { force: true });
  const certificateFile = await replaceIdentity(home, { privateKey, chain: next, ...passphrase });
  return { before: { name, id: formatId(id), certificateFile }, now: await showIdentity(home, nowMs) };
}

async function issued(
  home: Home,
  issuer: { readonly directory: string; readonly passphraseFile: string | undefined },
  privateKey: Parameters<typeof nodeSigner>[0],
  request: { readonly name: string; readonly nowMs: number },
) {
  const { directory, passphraseFile } = issuer;
  const authority = await openIdentity(directory, { nowMs: request.nowMs, passphraseFile });
  const chain = await issueCertificate(authority, nodeSigner(privateKey).publicKey, request);
  const [certificate] = authority.chain;
  if (certificate)
    await writeTrust(home, addAuthority(nodeCrypto, await readTrust(home), { name: authority.name, certificate }));
  return chain;
}

function isAuthority(name: string): SealwireError {
  return new SealwireError('usage', `${name} is an authority: what it signed would not hold with another key.`, {
    hint: 'Make a new authority in another home; a roster is handed over with `sealwire roster handover`.',
  });
}
