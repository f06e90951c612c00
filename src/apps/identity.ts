import type { KeyObject } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import type { Certificate } from '../core/identity/certificate.ts';
import { KEY_USAGE } from '../core/identity/certificate-extensions.ts';
import { checkName, formatId, identityId, parseId, shellWord } from '../core/identity/id.ts';
import {
  addAuthority,
  addPin,
  EMPTY_TRUST,
  pinByName,
  removeTrust,
  type TrustedPin,
  type TrustList,
} from '../core/identity/trust.ts';
import { issueCertificate, readCertificates, selfSign, validatePath } from '../node/certificates.ts';
import { nodeCrypto, nodeSigner } from '../node/crypto.ts';
import { readSmallFile, readSmallFileBytes } from '../node/files.ts';
import {
  createHome,
  type Home,
  type LoadedIdentity,
  loadIdentity,
  openHome,
  readIdentity,
  readTrust,
  writeTrust,
} from '../node/home.ts';
import { generateKey, readPrivateKey } from '../node/key-files.ts';
import { readPassphrase } from '../node/passphrase.ts';

/** What `init` takes. Files and directories are paths; secrets come from files only. */
export interface InitOptions {
  readonly directory: string;
  readonly name: string;
  readonly nowMs: number;
  readonly validDays?: number;
  /** Whether the identity may issue certificates. */
  readonly ca?: boolean;
  /** The home of the authority that issues the certificate; the identity signs its own where it is missing. */
  readonly issuer?: string;
  readonly issuerPassphraseFile?: string;
  readonly importKey?: string;
  readonly importCert?: string;
  /** Protects the key file, and opens an imported key that is protected. */
  readonly passphraseFile?: string;
}

/** An identity as commands show it; dates as ISO 8601. */
export interface IdentityView {
  readonly name: string;
  readonly id: string;
  readonly home: string;
  readonly certificateFile: string;
  readonly certificate: {
    readonly issuer: string | null;
    readonly selfSigned: boolean;
    readonly ca: boolean;
    readonly notBefore: string;
    readonly notAfter: string;
    readonly status: 'valid' | 'expired' | 'not-yet-valid';
  };
  readonly passphrase: boolean;
}

/** One line of a list of trust as commands show it. */
export interface TrustView {
  readonly name: string;
  readonly id: string;
  readonly kind: 'identity' | 'authority';
  /** When the safety number was compared; null where it never was. */
  readonly verifiedAt: string | null;
}

/**
 * Makes a home with a new or an imported identity. With an issuer, the new home trusts that authority. Throws
 * `home-exists`, `usage` for options that exclude each other, `identity-mismatch` where an imported certificate has
 * another name, and what reading, importing and issuing throw.
 */
export async function initHome(options: InitOptions): Promise<IdentityView> {
  checkInit(options);
  const { directory, passphraseFile } = options;
  const passphrase = passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile);
  const privateKey = await keyFor(options, passphrase);
  const { chain, trust } = await certificatesFor(options, privateKey);
  const contents = { privateKey, chain, trust };
  const home = await createHome(directory, passphrase === undefined ? contents : { ...contents, passphrase });
  return showIdentity(home, options.nowMs);
}

function checkInit({ name, ca, issuer, issuerPassphraseFile, importKey, importCert }: InitOptions): void {
  checkName(name);
  const wrong =
    (importCert !== undefined && importKey === undefined && '--import-cert needs --import-key') ||
    (importCert !== undefined && issuer !== undefined && '--import-cert and --issuer exclude each other') ||
    (importCert !== undefined && ca && '--import-cert and --ca exclude each other') ||
    (issuerPassphraseFile !== undefined && issuer === undefined && '--issuer-passphrase-file needs --issuer');
  if (wrong)
    throw new SealwireError('usage', `${wrong}.`, { hint: '`sealwire init --help` shows what goes together.' });
}

async function keyFor({ importKey }: InitOptions, passphrase: string | undefined): Promise<KeyObject> {
  if (importKey === undefined) return generateKey();
  const pem = await readSmallFile(importKey, { secret: true });
  return readPrivateKey(pem, passphrase === undefined ? { source: importKey } : { source: importKey, passphrase });
}

interface Certified {
  readonly chain: readonly Certificate[];
  readonly trust: TrustList;
}

async function certificatesFor(options: InitOptions, privateKey: KeyObject): Promise<Certified> {
  const { name, nowMs, validDays, ca = false, issuer, issuerPassphraseFile, importCert } = options;
  if (importCert !== undefined) return { chain: await importChain(importCert, name, nowMs), trust: EMPTY_TRUST };
  const request = { name, nowMs, ca, ...(validDays === undefined ? {} : { validDays }) };
  if (issuer === undefined) return { chain: [await selfSign(privateKey, request)], trust: EMPTY_TRUST };
  const authority = await openIdentity(issuer, { nowMs, passphraseFile: issuerPassphraseFile });
  const chain = await issueCertificate(authority, nodeSigner(privateKey).publicKey, request);
  const [certificate] = authority.chain;
  if (!certificate) return { chain, trust: EMPTY_TRUST };
  return { chain, trust: addAuthority(nodeCrypto, EMPTY_TRUST, { name: authority.name, certificate }) };
}

async function importChain(path: string, name: string, nowMs: number): Promise<Certificate[]> {
  const chain = readCertificates(await readSmallFileBytes(path), path);
  const [leaf] = chain;
  const top = chain.at(-1);
  if (!leaf || !top) throw new SealwireError('malformed', `${path} holds no certificate.`);
  if (leaf.commonName !== name) {
    const found = leaf.commonName ?? 'nobody';
    throw new SealwireError('identity-mismatch', `The certificate in ${path} names ${found}, not ${name}.`, {
      hint: `Use that name: sealwire init ${shellWord(found)}`,
    });
  }
  const anchor = chain.length === 1 ? identityId(nodeCrypto, leaf.publicKey) : top;
  await validatePath({ chain, anchors: [anchor], nowMs });
  return chain;
}

/** Opens a home's identity with its private key; throws as `openHome`, `readPassphrase` and `loadIdentity`. */
export async function openIdentity(
  directory: string,
  options: { readonly nowMs: number; readonly passphraseFile?: string | undefined },
): Promise<LoadedIdentity> {
  const { nowMs, passphraseFile } = options;
  const home = await openHome(directory);
  if (passphraseFile === undefined) return loadOwn(home, { nowMs });
  return loadOwn(home, { nowMs, passphrase: await readPassphrase(passphraseFile) });
}

// An authority's own certificate allows no signatures but on certificates, so its path is not a peer's.
async function loadOwn(home: Home, options: { nowMs: number; passphrase?: string }): Promise<LoadedIdentity> {
  const { chain } = await readIdentity(home);
  const { nowMs, ...rest } = options;
  return loadIdentity(home, isOnlyAuthority(chain[0]) ? rest : { ...rest, nowMs });
}

/** What a home says of its identity, without its private key. */
export async function showIdentity(home: Home, nowMs: number): Promise<IdentityView> {
  const { name, id, chain, isProtected } = await readIdentity(home);
  const [leaf] = chain;
  if (!leaf) throw new SealwireError('malformed', `${home.certificateFile} holds no certificate.`);
  const { notBeforeMs, notAfterMs } = leaf;
  return {
    name,
    id: formatId(id),
    home: home.directory,
    certificateFile: home.certificateFile,
    certificate: {
      issuer: leaf.issuerName ?? null,
      selfSigned: equalBytes(leaf.issuer, leaf.subject),
      ca: leaf.isCa,
      notBefore: isoDate(notBeforeMs),
      notAfter: isoDate(notAfterMs),
      status: nowMs > notAfterMs ? 'expired' : nowMs < notBeforeMs ? 'not-yet-valid' : 'valid',
    },
    passphrase: isProtected,
  };
}

/**
 * Trusts `subject` under `name`: an id, or a certificate file, whose first certificate counts. A certificate that can
 * sign nothing but certificates is an authority's; others are pinned unless `authority` is set. Throws as `addPin`,
 * `addAuthority` and `readCertificates`.
 */
export async function trustAdd(
  home: Home,
  name: string,
  subject: string,
  options: { readonly authority?: boolean } = {},
): Promise<TrustView> {
  const trust = await readTrust(home);
  if (subject.startsWith('SHA256:')) {
    if (options.authority) {
      throw new SealwireError('usage', 'An authority is trusted by its certificate, not by its id.', {
        hint: 'Give the certificate file instead of the id.',
      });
    }
    return pin(home, trust, name, parseId(subject));
  }
  const [certificate] = readCertificates(await readSubject(subject), subject);
  if (!certificate) throw new SealwireError('malformed', `${subject} holds no certificate.`);
  const id = identityId(nodeCrypto, certificate.publicKey);
  if (!options.authority && !isOnlyAuthority(certificate)) return pin(home, trust, name, id);
  await writeTrust(home, addAuthority(nodeCrypto, trust, { name, certificate }));
  return { name, id: formatId(id), kind: 'authority', verifiedAt: null };
}

async function readSubject(path: string): Promise<Uint8Array> {
  try {
    return await readSmallFileBytes(path);
  } catch (cause) {
    if (!(cause instanceof SealwireError) || cause.code !== 'file-unreadable') throw cause;
    throw new SealwireError('file-unreadable', cause.message, {
      hint: 'Give an id, which begins with SHA256:, or a certificate file.',
      cause,
    });
  }
}

async function pin(home: Home, trust: TrustList, name: string, id: Uint8Array): Promise<TrustView> {
  const changed = addPin(trust, { name, id });
  await writeTrust(home, changed);
  return viewOf(pinByName(changed, name) ?? { name, id });
}

/** Whom a home trusts, pinned identities first. */
export async function trustList(home: Home): Promise<TrustView[]> {
  const { pins, authorities } = await readTrust(home);
  return [
    ...pins.map(viewOf),
    ...authorities.map(({ name, certificate }): TrustView => {
      const id = formatId(identityId(nodeCrypto, certificate.publicKey));
      return { name, id, kind: 'authority', verifiedAt: null };
    }),
  ];
}

function viewOf({ name, id, verifiedAtS }: TrustedPin): TrustView {
  const verifiedAt = verifiedAtS === undefined ? null : isoDate(verifiedAtS * 1000);
  return { name, id: formatId(id), kind: 'identity', verifiedAt };
}

/** No longer trusts what stands under `name`; throws `identity-unknown`. */
export async function trustRemove(home: Home, name: string): Promise<void> {
  await writeTrust(home, removeTrust(await readTrust(home), name));
}

function isOnlyAuthority(certificate: Certificate | undefined): boolean {
  const usage = certificate?.keyUsage;
  return certificate?.isCa === true && usage?.has(KEY_USAGE.digitalSignature) === false;
}

/** A date as commands show it: ISO 8601, to the second. */
export function isoDate(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
