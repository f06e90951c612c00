import type { KeyObject } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { type Certificate, parseCertificate } from '../core/identity/certificate.ts';
import { draftCertificate, SERIAL_BYTES } from '../core/identity/certificate-draft.ts';
import { CHAIN_CERTIFICATES_MAX, checkPath, type PathInput, type ValidIdentity } from '../core/identity/path.ts';
import type { Signer } from '../core/ports.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from './crypto.ts';
import { readPem, writePem } from './pem.ts';

/** How long a certificate is valid where nothing else is asked for. */
export const VALID_DAYS = 3650;
const DAY_MS = 86_400_000;

/** What a new certificate shall say. */
export interface IssueRequest {
  readonly name: string;
  readonly nowMs: number;
  /** {@link VALID_DAYS} where it is missing; never beyond the issuer's own validity. */
  readonly validDays?: number;
  /** Whether the subject may issue certificates itself. */
  readonly ca?: boolean;
  readonly pathLength?: number;
}

/** Whoever issues: its chain, its own certificate first, and its key. */
export interface Issuer {
  readonly chain: readonly Certificate[];
  readonly signer: Signer;
}

/** Reads the certificates of a file: PEM, the leaf first, or one in DER. Throws `malformed` and as `parseCertificate`. */
export function readCertificates(data: Uint8Array, source: string): Certificate[] {
  if (data[0] === 0x30) return [parseCertificate(data)];
  const blocks = readPem(new TextDecoder().decode(data), source);
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE');
  if (certificates.length === 0) {
    throw new SealwireError('malformed', `${source} holds no certificate.`, {
      hint: 'A certificate file begins with -----BEGIN CERTIFICATE-----.',
    });
  }
  return certificates.map(({ der }) => parseCertificate(der));
}

/** The certificates as PEM, one block each. */
export function writeCertificates(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => writePem('CERTIFICATE', der)).join('');
}

/** Validates a chain with its signatures; throws as `checkPath` and its `finish` do. */
export async function validatePath(input: PathInput): Promise<ValidIdentity> {
  const check = checkPath(nodeCrypto, input);
  const verdicts = check.signatures.map(({ publicKey, toBeVerified, signature }) =>
    nodeVerifier(publicKey).verify(toBeVerified, signature),
  );
  return check.finish(await Promise.all(verdicts));
}

/** A certificate that the key signs for itself: a leaf, or with `ca` an authority. Throws as `draftCertificate`. */
export function selfSign(key: KeyObject, request: IssueRequest): Promise<Certificate> {
  const signer = nodeSigner(key);
  return sign(request, signer.publicKey, signer, notAfterMs(request));
}

/**
 * A certificate for another's public key (65-byte point), and those above it that a peer needs: a chain, leaf first,
 * without the self-signed root. Throws `certificate-invalid` where the issuer may not, `certificate-expired`,
 * `too-large` for a chain that peers would refuse, and as `draftCertificate`.
 */
export async function issueCertificate(
  issuer: Issuer,
  publicKey: Uint8Array,
  request: IssueRequest,
): Promise<Certificate[]> {
  const authority = checkIssuer(issuer, request);
  const lastMs = Math.min(notAfterMs(request), authority.notAfterMs);
  const certificate = await sign(request, publicKey, issuer.signer, lastMs, authority);
  const above = issuer.chain.filter(({ subject, issuer: name }) => !equalBytes(subject, name));
  const chain = [certificate, ...above];
  // The root counts too: some peers are sent it.
  if (chain.length >= CHAIN_CERTIFICATES_MAX) {
    throw new SealwireError('too-large', `Below ${authority.commonName ?? 'this authority'} chains would be too long.`);
  }
  return chain;
}

function checkIssuer({ chain }: Issuer, { ca, nowMs }: IssueRequest): Certificate {
  const [authority] = chain;
  const name = authority?.commonName ?? 'the issuer';
  if (!authority?.isCa) {
    throw new SealwireError('certificate-invalid', `${name} is not an authority and cannot issue certificates.`, {
      hint: 'Create one with `sealwire init NAME --ca`.',
    });
  }
  if (nowMs > authority.notAfterMs) {
    const date = new Date(authority.notAfterMs).toISOString().slice(0, 10);
    throw new SealwireError('certificate-expired', `The authority ${name} expired on ${date}.`);
  }
  if (ca && authority.pathLength === 0) {
    throw new SealwireError('certificate-invalid', `The authority ${name} may not have authorities below it.`);
  }
  return authority;
}

async function sign(
  request: IssueRequest,
  publicKey: Uint8Array,
  signer: Signer,
  lastMs: number,
  issuer?: Certificate,
): Promise<Certificate> {
  const { name, nowMs, ca = false, pathLength } = request;
  const draft = draftCertificate(nodeCrypto, {
    commonName: name,
    publicKey,
    notBeforeMs: nowMs,
    notAfterMs: lastMs,
    serial: nodeCrypto.random(SERIAL_BYTES),
    ca,
    ...(pathLength === undefined ? {} : { pathLength }),
    ...(issuer ? { issuer } : {}),
  });
  return parseCertificate(draft.finish(await signer.sign(draft.toBeSigned)));
}

function notAfterMs({ nowMs, validDays = VALID_DAYS }: IssueRequest): number {
  return nowMs + validDays * DAY_MS;
}
