import { bytesToHex, concatBytes, hexToBytes } from '../../src/core/bytes.ts';
import { nobleCrypto, nobleSigner } from '../../src/core/crypto/noble.ts';
import { type Certificate, parseCertificate } from '../../src/core/identity/certificate.ts';
import { type CertificateRequest, draftCertificate } from '../../src/core/identity/certificate-draft.ts';
import { signatureToDer } from '../../src/core/identity/ecdsa-signature.ts';
import type { PathCheck, ValidIdentity } from '../../src/core/identity/path.ts';
import type { Signer, VerifierFactory } from '../../src/core/ports.ts';

/** A time that all fixed certificates are valid at: 2026-07-01. */
export const NOW_MS: number = Date.UTC(2026, 6, 1);
/** A day, in milliseconds. */
export const DAY_MS = 86_400_000;

/** A key and its certificate; whoever holds `signer` may issue more. */
export interface Holder {
  readonly signer: Signer;
  readonly certificate: Certificate;
}

/** What differs from a leaf's certificate that is valid from 30 days before to 300 days after {@link NOW_MS}. */
export type HolderOptions = Partial<Omit<CertificateRequest, 'issuer'>> & { readonly issuer?: Holder };

/** The same key for the same number, 1 to 255: for tests and vectors only. */
export function fixedSigner(number: number): Signer {
  return nobleSigner(hexToBytes(number.toString(16).padStart(2, '0').repeat(32)));
}

/** A certificate with everything fixed by its arguments: noble signs deterministically. */
export async function fixedHolder(commonName: string, number: number, options: HolderOptions = {}): Promise<Holder> {
  const { issuer, ...rest } = options;
  const signer = fixedSigner(number);
  const draft = draftCertificate(nobleCrypto, {
    commonName,
    publicKey: signer.publicKey,
    notBeforeMs: NOW_MS - 30 * DAY_MS,
    notAfterMs: NOW_MS + 300 * DAY_MS,
    serial: new Uint8Array(16).fill(number),
    ca: false,
    ...rest,
    ...(issuer ? { issuer: issuer.certificate } : {}),
  });
  const signature = await (issuer?.signer ?? signer).sign(draft.toBeSigned);
  return { signer, certificate: parseCertificate(draft.finish(signature)) };
}

/** The holder with a piece of its certificate replaced and signed anew: what no draft would say. */
export async function resigned(holder: Holder, issuer: Holder, fromHex: string, toHex: string): Promise<Holder> {
  const before = bytesToHex(holder.certificate.toBeSigned);
  if (fromHex.length !== toHex.length || !before.includes(fromHex)) throw new Error(`${fromHex} is not there`);
  const toBeSigned = hexToBytes(before.replace(fromHex, toHex));
  const signature = signatureToDer(await issuer.signer.sign(toBeSigned));
  const rest = concatBytes(ECDSA_SHA256, Uint8Array.of(3, signature.length + 1, 0), signature);
  const length = toBeSigned.length + rest.length;
  const header = length < 256 ? [0x30, 0x81, length] : [0x30, 0x82, length >> 8, length & 0xff];
  const der = concatBytes(Uint8Array.from(header), toBeSigned, rest);
  return { signer: holder.signer, certificate: parseCertificate(der) };
}

const ECDSA_SHA256 = hexToBytes('300a06082a8648ce3d040302');

/** Verifies what a path asks for and finishes it. */
export async function finishPath(check: PathCheck, makeVerifier: VerifierFactory): Promise<ValidIdentity> {
  const valid: boolean[] = [];
  for (const { publicKey, toBeVerified, signature } of check.signatures) {
    valid.push(await makeVerifier(publicKey).verify(toBeVerified, signature));
  }
  return check.finish(valid);
}
