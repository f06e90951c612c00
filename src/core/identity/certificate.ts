import { equalBytes, hexToBytes } from '../bytes.ts';
import { isOnCurve } from '../crypto/es256.ts';
import { SealwireError } from '../errors.ts';
import { type CertificateExtensions, readExtensions } from './certificate-extensions.ts';
import {
  DerReader,
  directoryText,
  notDer,
  objectIdentifier,
  positiveInteger,
  setOf,
  smallInteger,
  TAG,
  timeMs,
  wholeBits,
} from './der.ts';
import { signatureFromDer } from './ecdsa-signature.ts';
import { nameProblem, POINT_BYTES, SPKI_PREFIX } from './id.ts';

/** A certificate with more bytes is refused before it is read. */
export const CERTIFICATE_BYTES_MAX = 4096;
/** An X.509 certificate as it was read: strict DER, a P-256 key, signed with ecdsa-with-SHA256. Nothing is verified yet. */
export interface Certificate extends CertificateExtensions {
  /** The whole certificate. */
  readonly der: Uint8Array;
  /** The TBSCertificate as it stands in `der`: what the issuer signed. */
  readonly toBeSigned: Uint8Array;
  /** The issuer's signature as ES256 has it: r ‖ s, 64 bytes. s may be high: issuers need not keep it low. */
  readonly signature: Uint8Array;
  /** The subject's uncompressed point, 65 bytes, on the curve. */
  readonly publicKey: Uint8Array;
  /** The serial number's magnitude, 1 to 20 bytes. */
  readonly serial: Uint8Array;
  /** The subject's one CN; undefined where it has none, as some authorities do. */
  readonly commonName: string | undefined;
  /** The subject's raw DER Name; names are compared byte by byte. */
  readonly subject: Uint8Array;
  /** The issuer's raw DER Name. */
  readonly issuer: Uint8Array;
  /** The issuer's one CN, for people. */
  readonly issuerName: string | undefined;
  readonly notBeforeMs: number;
  /** The last millisecond of validity's second; 9999-12-31 stands for no end (RFC 5280, section 4.1.2.5). */
  readonly notAfterMs: number;
}

/** `ecdsa-with-SHA256` as AlgorithmIdentifier (RFC 5758, section 3.2). */
const ECDSA_SHA256 = hexToBytes('300a06082a8648ce3d040302');
const COMMON_NAME = '2.5.4.3';
const KEY_ALGORITHMS: Record<string, string> = {
  '1.2.840.113549.1.1.1': 'an RSA key',
  '1.3.101.112': 'an Ed25519 key',
  '1.2.840.10045.2.1': 'a key on another curve, or a compressed one',
};

/**
 * Reads one certificate. Throws `certificate-invalid` for what is not strict DER or not X.509, `unsupported` for
 * another key or signature algorithm, `too-large` over {@link CERTIFICATE_BYTES_MAX}, `key-invalid` for a point off the
 * curve. The result's arrays are views of `der`.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > CERTIFICATE_BYTES_MAX) {
    const sentence = `A certificate of ${der.length} bytes is over the bound of ${CERTIFICATE_BYTES_MAX}.`;
    throw new SealwireError('too-large', sentence);
  }
  try {
    return readCertificate(der);
  } catch (error) {
    if (!(error instanceof SealwireError) || error.code !== 'malformed') throw error;
    throw new SealwireError('certificate-invalid', `A certificate cannot be read. ${error.message}`, {
      hint: 'Only X.509 certificates in strict DER, or PEM around it, are taken.',
      cause: error,
    });
  }
}

function readCertificate(der: Uint8Array): Certificate {
  const file = new DerReader(der);
  const outer = file.enter(TAG.sequence);
  file.end();
  const toBeSigned = outer.element(TAG.sequence);
  const algorithm = outer.element(TAG.sequence).whole;
  if (!equalBytes(algorithm, ECDSA_SHA256)) {
    throw unsupported('is not signed with ECDSA and SHA-256');
  }
  const signature = signatureFromDer(wholeBits(outer.content(TAG.bitString)));
  outer.end();
  return { der, toBeSigned: toBeSigned.whole, signature, ...readToBeSigned(new DerReader(toBeSigned.content)) };
}

type ToBeSigned = Omit<Certificate, 'der' | 'toBeSigned' | 'signature'>;

function readToBeSigned(reader: DerReader): ToBeSigned {
  const version = readVersion(reader);
  const serial = positiveInteger(reader.content(TAG.integer));
  if (serial.length > 20) throw notDer('a serial number takes more than 20 bytes');
  if (!equalBytes(reader.element(TAG.sequence).whole, ECDSA_SHA256)) {
    throw notDer('it names two signature algorithms');
  }
  const issuer = reader.element(TAG.sequence).whole;
  const validity = reader.enter(TAG.sequence);
  const notBeforeMs = timeMs(validity.any());
  const notAfterMs = timeMs(validity.any()) + 999;
  validity.end();
  const subject = reader.element(TAG.sequence).whole;
  const publicKey = readPublicKey(reader.element(TAG.sequence).whole);
  const extensions = readExtensions(version === 3 && reader.nextTag === 0xa3 ? reader.enter(0xa3) : undefined);
  reader.end();
  const issuerName = readName(issuer);
  const commonName = readName(subject);
  return { serial, issuer, issuerName, notBeforeMs, notAfterMs, subject, publicKey, commonName, ...extensions };
}

function readVersion(reader: DerReader): 1 | 3 {
  if (reader.nextTag !== 0xa0) return 1;
  const explicit = reader.enter(0xa0);
  const version = smallInteger(explicit.content(TAG.integer));
  explicit.end();
  if (version !== 2) throw notDer(`a certificate is of version 1 or 3, not ${version + 1}`);
  return 3;
}

/** The Name's one CN. Reads the whole of it, so that every name is known to be strict DER. */
export function readName(name: Uint8Array): string | undefined {
  let commonName: string | undefined;
  const relativeNames = new DerReader(name).enter(TAG.sequence);
  while (!relativeNames.done) {
    const attributes = setOf(relativeNames.enter(TAG.set));
    if (attributes.length === 0) throw notDer('a part of a name is empty');
    for (const attribute of attributes) {
      if (attribute.tag !== TAG.sequence) throw notDer('a part of a name is not a sequence');
      const pair = new DerReader(attribute.content);
      const type = objectIdentifier(pair.content(TAG.oid));
      const text = directoryText(pair.any());
      pair.end();
      if (type !== COMMON_NAME) continue;
      if (commonName !== undefined) throw notDer('a name has two common names');
      if (text === undefined) throw unsupported('has a common name that is neither UTF-8, printable nor IA5 text');
      const problem = nameProblem(text);
      if (problem) throw notDer(`the common name cannot be used: ${problem}`);
      commonName = text;
    }
  }
  return commonName;
}

/** The point of a P-256 key's DER SubjectPublicKeyInfo; throws `malformed`, `unsupported` for another key, `key-invalid`. */
export function readPublicKey(spki: Uint8Array): Uint8Array {
  const known = spki.length === SPKI_PREFIX.length + POINT_BYTES && spki[SPKI_PREFIX.length] === 4;
  if (!known || !equalBytes(spki.subarray(0, SPKI_PREFIX.length), SPKI_PREFIX)) {
    const algorithm = objectIdentifier(new DerReader(spki).enter(TAG.sequence).enter(TAG.sequence).content(TAG.oid));
    throw unsupported(`holds ${KEY_ALGORITHMS[algorithm] ?? `a key of algorithm ${algorithm}`}, not a P-256 key`);
  }
  const publicKey = spki.subarray(SPKI_PREFIX.length);
  if (isOnCurve(publicKey)) return publicKey;
  throw new SealwireError('key-invalid', "A certificate's public key is not a point on P-256.");
}

function unsupported(what: string): SealwireError {
  return new SealwireError('unsupported', `A certificate ${what}.`, {
    hint: 'Identities have P-256 keys and certificates signed with ecdsa-with-SHA256.',
  });
}
