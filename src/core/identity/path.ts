import { equalBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import type { Certificate } from './certificate.ts';
import { KEY_USAGE, PEER_KEY_USAGES } from './certificate-extensions.ts';
import { formatId, identityId, shellWord } from './id.ts';

/** Certificates in one chain, the leaf included. */
export const CHAIN_CERTIFICATES_MAX = 4;
/** How far two clocks may differ before a certificate's dates are held against it. */
export const DATE_TOLERANCE_MS: number = 5 * 60_000;
/** No clock is right that says an earlier time than this: version 1 did not exist. */
const CLOCK_EARLIEST_MS: number = Date.UTC(2026, 0, 1);

/** An identity trusted by its id (32 bytes), under the name that whoever pinned it gave it. */
export interface Pin {
  readonly name: string;
  readonly id: Uint8Array;
}

/** What a path may end in: an authority's certificate, a pinned identity, or the bare id of one. */
export type Anchor = Certificate | Pin | Uint8Array;

/** What {@link checkPath} takes. */
export interface PathInput {
  /** As the peer sent it: the leaf first, each certificate followed by its issuer's. */
  readonly chain: readonly Certificate[];
  readonly anchors: readonly Anchor[];
  /** The time to judge by, milliseconds since 1970. */
  readonly nowMs: number;
  /** {@link DATE_TOLERANCE_MS} where it is missing. */
  readonly toleranceMs?: number;
  /** The pinned name that shall be there, whatever the certificate says. */
  readonly expectedName?: string;
}

/** A signature for the caller to verify: ES256 by `publicKey` (65-byte point) over `toBeVerified`. */
export interface SignatureToVerify {
  readonly publicKey: Uint8Array;
  readonly toBeVerified: Uint8Array;
  readonly signature: Uint8Array;
}

/** An identity whose certificates hold. */
export interface ValidIdentity {
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** The pin's name where a {@link Pin} was found, for anyone can write any CN; else the certificate's CN. */
  readonly name: string;
  /** What vouches for the name: a pinned id, or an authority's signature. */
  readonly trust: 'pin' | 'authority';
  /** The key of the authority that vouches for it, uncompressed point, 65 bytes; null for a pinned id. */
  readonly authority: Uint8Array | null;
  /** DER, leaf first, without certificates that the path did not need. */
  readonly certificates: readonly Uint8Array[];
}

/** A path that holds if its signatures do. */
export interface PathCheck {
  readonly signatures: readonly SignatureToVerify[];
  /**
   * Takes the verdicts in the order of `signatures`. Throws `certificate-invalid` where one does not hold, and
   * `key-changed` where an authority vouches for a name that is pinned to another id.
   */
  finish(valid: readonly boolean[]): ValidIdentity;
}

/**
 * Validates a chain (RFC 5280, section 6, for the profile here: no policies, no name constraints, no revocation
 * lists; names are compared byte by byte). A pinned id stands for itself whoever issued its certificate; every other
 * leaf needs an authority, so a self-signed one is refused. Dates get a tolerance on both sides.
 *
 * Throws `clock-unset`, `certificate-expired`, `certificate-not-yet-valid`, `certificate-invalid`, `unsupported`,
 * `too-large` for a chain over {@link CHAIN_CERTIFICATES_MAX}, and where no anchor is found `identity-unknown`, or
 * `key-changed` where the name is pinned to another id.
 */
export function checkPath(crypto: Crypto, input: PathInput): PathCheck {
  checkClock(input.nowMs);
  const leaf = checkShape(input.chain);
  const name = checkLeaf(leaf, input);
  const id = identityId(crypto, leaf.publicKey);
  const pinnedName = findPin(input.anchors, id, name);
  if (pinnedName !== undefined) return pinnedPath(leaf, id, pinnedName);
  const { path, authority, certificates } = findAuthority(input, name, id);
  checkIssuers(path, authority, input);
  const issuers = [...path.slice(1), authority];
  const signatures = path.map((certificate, i) => signatureOf(certificate, issuers[i] ?? authority));
  return {
    signatures,
    finish: (valid) => {
      checkVerdicts(valid, path);
      checkNotPinnedElsewhere(input.anchors, name, id);
      return { id, publicKey: leaf.publicKey, name, trust: 'authority', authority: authority.publicKey, certificates };
    },
  };
}

function pinnedPath(leaf: Certificate, id: Uint8Array, name: string): PathCheck {
  const signatures = isSelfIssued(leaf) ? [signatureOf(leaf, leaf)] : [];
  return {
    signatures,
    finish: (valid) => {
      checkVerdicts(valid, signatures.length === 0 ? [] : [leaf]);
      return { id, publicKey: leaf.publicKey, name, trust: 'pin', authority: null, certificates: [leaf.der] };
    },
  };
}

/** Throws `clock-unset` for a time (milliseconds since 1970) that no clock shows which was ever set. */
export function checkClock(nowMs: number): void {
  if (nowMs >= CLOCK_EARLIEST_MS) return;
  throw new SealwireError('clock-unset', `This machine's clock is not set: it says ${date(nowMs)}.`, {
    hint: 'Set the clock, for example with NTP; certificates cannot be judged without the time.',
  });
}

function checkShape(chain: readonly Certificate[]): Certificate {
  const [leaf] = chain;
  if (!leaf) throw invalid('A chain of certificates is empty');
  if (chain.length > CHAIN_CERTIFICATES_MAX) {
    const sentence = `A chain of ${chain.length} certificates is over the bound of ${CHAIN_CERTIFICATES_MAX}.`;
    throw new SealwireError('too-large', sentence);
  }
  chain.forEach((certificate, i) => {
    if (chain.slice(0, i).some((earlier) => isSameEntity(earlier, certificate))) {
      throw invalid(`The chain goes in a circle: ${subjectOf(certificate)} stands in it twice`);
    }
  });
  return leaf;
}

function checkLeaf(leaf: Certificate, input: PathInput): string {
  const { commonName, keyUsage, extendedKeyUsage } = leaf;
  if (commonName === undefined) throw invalid("An identity's certificate has no common name");
  checkCertificate(leaf, input);
  // A self-signed certificate from `openssl req -x509` says CA and nothing on key usage: both are fine in a leaf.
  if (keyUsage && !keyUsage.has(KEY_USAGE.digitalSignature)) {
    throw invalid(`The key usage of ${subjectOf(leaf)} does not allow digital signatures`);
  }
  if (extendedKeyUsage && !PEER_KEY_USAGES.some((usage) => extendedKeyUsage.has(usage))) {
    throw invalid(`The extended key usage of ${subjectOf(leaf)} allows neither server nor client authentication`);
  }
  return commonName;
}

/** What every certificate of a path must be. */
function checkCertificate(certificate: Certificate, { nowMs, toleranceMs = DATE_TOLERANCE_MS }: PathInput): void {
  const subject = subjectOf(certificate);
  const [unprocessed] = certificate.unprocessed;
  if (unprocessed !== undefined) {
    const sentence = `The certificate of ${subject} carries the restriction ${unprocessed}, which is not understood here.`;
    throw new SealwireError('unsupported', sentence);
  }
  if (nowMs < certificate.notBeforeMs - toleranceMs) {
    const sentence = `The certificate of ${subject} is valid from ${date(certificate.notBeforeMs)} on; it is ${date(nowMs)}.`;
    throw new SealwireError('certificate-not-yet-valid', sentence, { hint: CLOCKS });
  }
  if (nowMs > certificate.notAfterMs + toleranceMs) {
    const sentence = `The certificate of ${subject} expired on ${date(certificate.notAfterMs)}; it is ${date(nowMs)}.`;
    throw new SealwireError('certificate-expired', sentence, { hint: `Renew it. ${CLOCKS}` });
  }
}

const CLOCKS = 'Check the clocks of both machines.';

interface Found {
  /** What the authority vouches for: the leaf first, the one it issued last. */
  readonly path: readonly Certificate[];
  readonly authority: Certificate;
  readonly certificates: readonly Uint8Array[];
}

function findAuthority(input: PathInput, name: string, id: Uint8Array): Found {
  const { chain, anchors, nowMs } = input;
  const authorities = anchors.filter(isCertificate);
  // Where one authority renewed its certificate under the same key, the one that is valid now counts.
  authorities.sort((a, b) => Number(b.notAfterMs >= nowMs) - Number(a.notAfterMs >= nowMs));
  for (let i = 0; i < chain.length; i++) {
    const path = chain.slice(0, i + 1);
    const last = path[i];
    const authority = last && authorities.find((candidate) => mayHaveIssued(candidate, last));
    if (!authority) continue;
    const next = chain[i + 1];
    const sent = next && isSameEntity(next, authority) ? [...path, next] : path;
    return { path, authority, certificates: sent.map(({ der }) => der) };
  }
  checkNotNewKey(input, name, id);
  const [leaf] = chain;
  const why = leaf && isSelfIssued(leaf) ? 'it signed its own certificate and' : 'no trusted authority issued it and';
  throw new SealwireError(
    'identity-unknown',
    `${name} (${formatId(id)}) is not trusted: ${why} its id is not pinned.`,
    {
      hint: `Compare the id with its owner by another way, then: sealwire trust add ${shellWord(name)} ${formatId(id)}`,
    },
  );
}

function mayHaveIssued(authority: Certificate, certificate: Certificate): boolean {
  if (!equalBytes(authority.subject, certificate.issuer)) return false;
  if (equalBytes(authority.publicKey, certificate.publicKey)) return false;
  const { authorityKeyId } = certificate;
  const { subjectKeyId } = authority;
  return !authorityKeyId || !subjectKeyId || equalBytes(authorityKeyId, subjectKeyId);
}

/** Names, CA flags, key usages, dates and path lengths of all that issued something on the path. */
function checkIssuers(path: readonly Certificate[], authority: Certificate, input: PathInput): void {
  let intermediates = 0;
  path.forEach((certificate, i) => {
    const issuer = path[i + 1] ?? authority;
    const subject = subjectOf(issuer);
    if (!equalBytes(certificate.issuer, issuer.subject)) {
      throw invalid(`The certificate of ${subjectOf(certificate)} was not issued by ${subject}, which follows it`);
    }
    checkCertificate(issuer, input);
    if (!issuer.isCa) throw invalid(`${subject} issued a certificate but is no authority`);
    if (issuer.keyUsage && !issuer.keyUsage.has(KEY_USAGE.keyCertSign)) {
      throw invalid(`The key usage of ${subject} does not allow signing certificates`);
    }
    // Self-issued certificates do not count (RFC 5280, section 6.1.4, step l), nor does the leaf.
    if (i > 0 && !isSelfIssued(certificate)) intermediates += 1;
    if (issuer.pathLength !== undefined && intermediates > issuer.pathLength) {
      const allowed = `allows ${issuer.pathLength} intermediate authorities below it, not ${intermediates}`;
      throw invalid(`The path length of ${subject} ${allowed}`);
    }
  });
}

/** The name that the id is pinned under; a bare id has none but the certificate's. */
function findPin(anchors: readonly Anchor[], id: Uint8Array, commonName: string): string | undefined {
  for (const anchor of anchors) {
    if (anchor instanceof Uint8Array) {
      if (equalBytes(anchor, id)) return commonName;
    } else if (!isCertificate(anchor) && equalBytes(anchor.id, id)) return anchor.name;
  }
  return undefined;
}

/** A known name with a key that nobody vouches for is worse than a stranger. */
function checkNotNewKey({ anchors, expectedName }: PathInput, name: string, id: Uint8Array): void {
  const pins = anchors.filter((anchor) => 'name' in anchor);
  const pin = pins.find((candidate) => candidate.name === expectedName) ?? pins.find((other) => other.name === name);
  if (!pin) return;
  const sentence = `${pin.name} is trusted as ${formatId(pin.id)}, but ${formatId(id)} was shown in that name.`;
  throw new SealwireError('key-changed', sentence, { hint: newKeyHint(pin.name) });
}

function checkNotPinnedElsewhere(anchors: readonly Anchor[], name: string, id: Uint8Array): void {
  for (const anchor of anchors) {
    if (anchor instanceof Uint8Array || isCertificate(anchor) || anchor.name !== name) continue;
    const sentence = `An authority vouches for ${name} as ${formatId(id)}, but ${name} is pinned as ${formatId(anchor.id)}.`;
    throw new SealwireError('key-changed', sentence, { hint: newKeyHint(name) });
  }
}

function checkVerdicts(valid: readonly boolean[], path: readonly Certificate[]): void {
  if (valid.length !== path.length) {
    throw new SealwireError('internal', `${valid.length} verdicts for ${path.length} signatures.`);
  }
  path.forEach((certificate, i) => {
    if (valid[i] !== true) throw invalid(`The signature on the certificate of ${subjectOf(certificate)} does not hold`);
  });
}

function signatureOf(certificate: Certificate, issuer: Certificate): SignatureToVerify {
  const { toBeSigned, signature } = certificate;
  return { publicKey: issuer.publicKey, toBeVerified: toBeSigned, signature };
}

function isCertificate(anchor: Anchor): anchor is Certificate {
  return 'der' in anchor;
}

function isSelfIssued(certificate: Certificate): boolean {
  return equalBytes(certificate.subject, certificate.issuer);
}

function isSameEntity(a: Certificate, b: Certificate): boolean {
  return equalBytes(a.publicKey, b.publicKey) && equalBytes(a.subject, b.subject);
}

function subjectOf(certificate: Certificate): string {
  return certificate.commonName ?? 'an authority without a common name';
}

function date(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString().slice(0, 19).concat('Z') : `${ms}`;
}

function invalid(why: string): SealwireError {
  return new SealwireError('certificate-invalid', `${why}.`);
}

/** What to do when a known name shows a new key. */
export function newKeyHint(name: string): string {
  const again = `sealwire trust remove ${shellWord(name)}, add the new id, and compare with: sealwire trust --verify ${shellWord(name)}`;
  return `Someone may be posing as ${name}; nothing was sent. If ${name} says by another way that the key is new: ${again}`;
}
