import type { KeyObject } from 'node:crypto';
import type { Stats } from 'node:fs';
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import type { Certificate } from '../core/identity/certificate.ts';
import { identityId, shellWord } from '../core/identity/id.ts';
import { EMPTY_TRUST, formatTrust, parseTrust, type TrustList } from '../core/identity/trust.ts';
import type { Signer } from '../core/ports.ts';
import { readCertificates, validatePath, writeCertificates } from './certificates.ts';
import { nodeCrypto, nodeSigner } from './crypto.ts';
import { createFile, readSmallFile, readSmallFileBytes, replaceFile } from './files.ts';
import { isProtectedKey, readPrivateKey, writePrivateKey } from './key-files.ts';

/** A directory that holds one identity and whom it trusts, for its owner's eyes only. */
export interface Home {
  readonly directory: string;
  /** Private key, PKCS#8 PEM. */
  readonly keyFile: string;
  /** Certificates, PEM, the identity's own first. */
  readonly certificateFile: string;
  readonly trustFile: string;
}

/** What a new home starts with. */
export interface HomeContents {
  readonly privateKey: KeyObject;
  /** The leaf first. */
  readonly chain: readonly Certificate[];
  /** Protects the key file where it is given. */
  readonly passphrase?: string;
  /** Nobody where it is missing. */
  readonly trust?: TrustList;
}

/** An identity with its private key. */
export interface LoadedIdentity {
  /** The certificate's CN. */
  readonly name: string;
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** DER, leaf first; another one after {@link showCertificates}. */
  readonly certificates: readonly Uint8Array[];
  readonly chain: readonly Certificate[];
  readonly signer: Signer;
  /** For TLS, which signs with it itself. */
  readonly privateKey: KeyObject;
}

/** What a home says of itself without its private key. */
export interface PublicIdentity {
  readonly name: string;
  readonly id: Uint8Array;
  readonly chain: readonly Certificate[];
  /** Whether the key file needs a passphrase. */
  readonly isProtected: boolean;
}

/** Where a home's files are; nothing is read. */
export function homeAt(directory: string): Home {
  return {
    directory,
    keyFile: join(directory, 'identity.key'),
    certificateFile: join(directory, 'identity.crt'),
    trustFile: join(directory, 'trust.json'),
  };
}

/** Finds a home; throws `home-missing` where there is none or a part is missing, `file-exposed` where others may write. */
export async function openHome(directory: string): Promise<Home> {
  const home = homeAt(directory);
  const status = await statOf(directory);
  if (!status) throw missing(`There is no home at ${directory}`, home);
  if (!status.isDirectory()) throw missing(`${directory} is not a directory`, home);
  for (const file of [home.keyFile, home.certificateFile, home.trustFile]) {
    if (!(await statOf(file))?.isFile()) throw missing(`${directory} is not a home: there is no file ${file}`, home);
  }
  if (process.platform !== 'win32' && (status.mode & 0o022) !== 0) {
    throw new SealwireError('file-exposed', `Other users may change the files in ${directory}.`, {
      hint: `chmod 700 ${shellWord(directory)}`,
    });
  }
  return home;
}

/**
 * Makes a home of a directory that is new or empty: mode 0700, files 0600. Whole or not at all: the
 * first of two that make one at the same place wins. Throws `home-exists`, `key-invalid` where key and certificate do
 * not belong together, `file-unwritable`.
 */
export async function createHome(directory: string, contents: HomeContents): Promise<Home> {
  const home = homeAt(directory);
  const { privateKey, chain, passphrase } = contents;
  checkPair(nodeSigner(privateKey).publicKey, chain, directory);
  await checkEmpty(directory);
  const files = [
    [home.certificateFile, writeCertificates(chain.map(({ der }) => der))],
    [home.trustFile, formatTrust(contents.trust ?? EMPTY_TRUST)],
    // The key comes last: without it a directory is no home.
    [home.keyFile, writePrivateKey(privateKey, passphrase)],
  ] as const;
  const created: string[] = [];
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    for (const [path, text] of files) {
      await createFile(path, text);
      created.push(path);
    }
  } catch (cause) {
    for (const path of created) await rm(path, { force: true });
    throw notCreated(directory, cause);
  }
  return home;
}

/**
 * The home's identity. Throws `file-exposed` for a key file that others may read, `passphrase-required`,
 * `passphrase-wrong`, `key-invalid` where key and certificate do not match, and with `nowMs` what the certificate's
 * dates give: `certificate-expired`, `certificate-not-yet-valid`, `clock-unset`.
 */
export async function loadIdentity(
  home: Home,
  options: { readonly passphrase?: string; readonly nowMs?: number } = {},
): Promise<LoadedIdentity> {
  const { passphrase, nowMs } = options;
  const { name, id, chain } = await readIdentity(home);
  const pem = await readSmallFile(home.keyFile, { secret: true });
  const source = home.keyFile;
  const privateKey = readPrivateKey(pem, passphrase === undefined ? { source } : { source, passphrase });
  const signer = nodeSigner(privateKey);
  checkPair(signer.publicKey, chain, home.directory);
  if (nowMs !== undefined) await validatePath({ chain, anchors: [id], nowMs });
  const certificates = chain.map(({ der }) => der);
  return { name, id, publicKey: signer.publicKey, certificates, chain, signer, privateKey };
}

/** Has an open identity show another chain for its key from now on, wherever it is in use. */
export function showCertificates(identity: LoadedIdentity, chain: readonly Certificate[]): void {
  checkPair(identity.publicKey, chain, 'this identity');
  Object.assign(identity, { chain, certificates: chain.map(({ der }) => der) });
}

/** What needs no passphrase. Throws as {@link readCertificate}, and `file-exposed`. */
export async function readIdentity(home: Home): Promise<PublicIdentity> {
  const isProtected = isProtectedKey(await readSmallFile(home.keyFile, { secret: true }));
  return { ...(await readCertificate(home)), isProtected };
}

/** What the certificates say, whatever the key file holds. Throws as `readCertificates`, `certificate-invalid` without a CN. */
export async function readCertificate(home: Home): Promise<Omit<PublicIdentity, 'isProtected'>> {
  const chain = readCertificates(await readSmallFileBytes(home.certificateFile), home.certificateFile);
  const [leaf] = chain;
  if (leaf?.commonName === undefined) {
    throw new SealwireError('certificate-invalid', `The certificate in ${home.certificateFile} has no common name.`);
  }
  return { name: leaf.commonName, id: identityId(nodeCrypto, leaf.publicKey), chain };
}

/** Whom the home trusts; throws as `parseTrust`. */
export async function readTrust(home: Home): Promise<TrustList> {
  return parseTrust(await readSmallFile(home.trustFile));
}

/** Puts `trust` in place of the home's list, whole or not at all; throws `file-unwritable`. */
export async function writeTrust(home: Home, trust: TrustList): Promise<void> {
  try {
    await replaceFile(home.trustFile, formatTrust(trust));
  } catch (cause) {
    throw notWritten(home.trustFile, cause);
  }
}

/** Throws `key-invalid` where the first certificate is not for this public key (65-byte point). */
export function checkPair(publicKey: Uint8Array, chain: readonly Certificate[], directory: string): void {
  const [leaf] = chain;
  if (leaf && equalBytes(leaf.publicKey, publicKey)) return;
  const name = leaf?.commonName ?? 'nobody';
  throw new SealwireError('key-invalid', `Key and certificate (of ${name}) for ${directory} do not belong together.`, {
    hint: 'The first certificate must be the one for this private key; those of its issuers follow.',
  });
}

async function checkEmpty(directory: string): Promise<void> {
  let entries: string[];
  try {
    entries = await readdir(directory);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw notCreated(directory, cause);
  }
  const [first] = entries.filter((entry) => entry !== 'lost+found');
  if (first === undefined) return;
  throw exists(entries.includes('identity.key') ? `${directory} is a home already` : `${directory} holds ${first}`);
}

function exists(what: string): SealwireError {
  return new SealwireError('home-exists', `${what}; nothing was changed.`, {
    hint: 'Choose a new or an empty directory with --home DIR or SEALWIRE_HOME.',
  });
}

function notCreated(directory: string, cause: unknown): SealwireError {
  if (cause instanceof SealwireError) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'EEXIST') return exists(`${directory} is a home already`);
  if (code === 'ENOTDIR') return exists(`A part of ${directory} is a file`);
  return notWritten(directory, cause);
}

/** `file-unwritable`, for whatever kept the file from being written. */
export function notWritten(path: string, cause: unknown): SealwireError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  const why = { EACCES: 'this user may not write there', ENOSPC: 'the disk is full', EROFS: 'the disk is read-only' };
  const reason = Object.entries(why).find(([key]) => key === code)?.[1] ?? code;
  return new SealwireError('file-unwritable', `${path} cannot be written: ${reason}.`, { cause });
}

function missing(what: string, { directory }: Home): SealwireError {
  return new SealwireError('home-missing', `${what}.`, {
    hint: `Make one with \`sealwire init NAME --home ${shellWord(directory)}\`, or name another with --home or SEALWIRE_HOME.`,
  });
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new SealwireError('file-unreadable', `${path} cannot be read: ${code}.`, { cause });
  }
}
