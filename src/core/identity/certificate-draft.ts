import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate as CertificateStructure,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { equalBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { signatureToDer } from './ecdsa-signature.ts';
import { checkName, subjectPublicKeyInfo } from './id.ts';

/** How many random bytes a serial number is made of. */
export const SERIAL_BYTES = 16;

/** What a certificate shall say. */
export interface CertificateRequest {
  /** The subject's CN, as `checkName` takes it. */
  readonly commonName: string;
  /** The subject's uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** {@link SERIAL_BYTES} fresh random bytes. */
  readonly serial: Uint8Array;
  /** Who signs; the subject itself where this is missing. */
  readonly issuer?: Certificate;
  /** Whether the subject may issue certificates itself. */
  readonly ca: boolean;
  /** How many intermediate authorities may follow below; only with `ca`. */
  readonly pathLength?: number;
}

/** A certificate that waits for its issuer's signature. */
export interface CertificateDraft {
  /** The DER TBSCertificate: what the issuer signs with ES256. */
  readonly toBeSigned: Uint8Array;
  /** The certificate's DER, given the issuer's signature (r ‖ s, 64 bytes). The signature is not verified here. */
  finish(signature: Uint8Array): Uint8Array;
}

const ECDSA_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
// Longer chains are refused wherever they are read.
const PATH_LENGTHS = new Set([0, 1, 2]);
const LAST_DATE_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/**
 * Drafts a version 3 certificate (RFC 5280): basic constraints and key usage critical, key identifiers as RFC 7093,
 * method 1; a leaf may serve TLS on both sides, and carries its name as dNSName where it has that form.
 * Throws `malformed` for a name, serial number or dates that cannot be used, `key-invalid`, `certificate-invalid` for
 * an issuer that is no authority.
 */
export function draftCertificate(crypto: Crypto, request: CertificateRequest): CertificateDraft {
  checkRequest(request);
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ECDSA_SHA256 });
  const subject = nameOf(request.commonName);
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: owned(positiveSerial(request.serial)),
    signature: signatureAlgorithm,
    issuer: request.issuer ? AsnConvert.parse(request.issuer.subject, Name) : subject,
    validity: new Validity({ notBefore: new Date(request.notBeforeMs), notAfter: new Date(request.notAfterMs) }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(subjectPublicKeyInfo(request.publicKey), SubjectPublicKeyInfo),
    extensions: extensionsOf(crypto, request),
  });
  const toBeSigned = new Uint8Array(AsnConvert.serialize(tbsCertificate));
  return {
    toBeSigned,
    finish: (signature) => {
      const signatureValue = owned(signatureToDer(signature));
      const structure = new CertificateStructure({ tbsCertificate, signatureAlgorithm, signatureValue });
      const der = new Uint8Array(AsnConvert.serialize(structure));
      checkDrafted(parseCertificate(der), toBeSigned, request);
      return der;
    },
  };
}

function checkRequest(request: CertificateRequest): void {
  checkName(request.commonName);
  if (request.serial.length !== SERIAL_BYTES) {
    throw new SealwireError('malformed', `A serial number is made of ${SERIAL_BYTES} random bytes.`);
  }
  const { notBeforeMs, notAfterMs, issuer } = request;
  if (!(notBeforeMs >= 0 && notAfterMs > notBeforeMs && notAfterMs <= LAST_DATE_MS + 999)) {
    throw new SealwireError('malformed', 'A certificate is valid from one date to a later one, 9999 at the latest.');
  }
  if (request.pathLength !== undefined && !(request.ca && PATH_LENGTHS.has(request.pathLength))) {
    throw new SealwireError('malformed', 'A path length is 0, 1 or 2, and only an authority has one.');
  }
  if (issuer && !issuer.isCa) {
    throw new SealwireError('certificate-invalid', `${issuer.commonName ?? 'The issuer'} is not an authority.`, {
      hint: 'Create one with `sealwire init NAME --ca`.',
    });
  }
}

// Two encodings of one name would make a certificate that no path through its issuer accepts.
function checkDrafted(drafted: Certificate, toBeSigned: Uint8Array, request: CertificateRequest): void {
  const issuer = request.issuer?.subject ?? drafted.subject;
  if (equalBytes(drafted.toBeSigned, toBeSigned) && equalBytes(drafted.issuer, issuer)) return;
  throw new SealwireError('unsupported', "The issuer's name is written in a form that cannot be repeated.");
}

function extensionsOf(crypto: Crypto, request: CertificateRequest): Extensions {
  const subjectKeyId = keyIdentifier(crypto, request.publicKey);
  const { issuer, ca, pathLength } = request;
  const issuerKeyId = issuer ? (issuer.subjectKeyId ?? keyIdentifier(crypto, issuer.publicKey)) : subjectKeyId;
  const constraints = new BasicConstraints({
    cA: ca,
    ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
  });
  const usage = new KeyUsage(ca ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature);
  const list = [
    extension(id_ce_basicConstraints, true, constraints),
    extension(id_ce_keyUsage, true, usage),
    extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(owned(subjectKeyId))),
    extension(
      id_ce_authorityKeyIdentifier,
      false,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(owned(issuerKeyId)) }),
    ),
  ];
  if (!ca) {
    list.push(extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])));
    if (HOST_NAME.test(request.commonName)) {
      const names = new SubjectAlternativeName([new GeneralName({ dNSName: request.commonName })]);
      list.push(extension(id_ce_subjectAltName, false, names));
    }
  }
  return new Extensions(list);
}

function extension(extnID: string, critical: boolean, value: object): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

/** The leftmost 160 bits of the key's SHA-256 (RFC 7093, section 2, method 1). */
function keyIdentifier(crypto: Crypto, publicKey: Uint8Array): Uint8Array {
  return crypto.sha256(publicKey).subarray(0, 20);
}

function nameOf(commonName: string): Name {
  const attribute = new AttributeTypeAndValue({
    type: COMMON_NAME,
    value: new AttributeValue({ utf8String: commonName }),
  });
  return new Name([new RelativeDistinguishedName([attribute])]);
}

/** A positive INTEGER of full length, whatever the random bytes are. */
function positiveSerial(random: Uint8Array): Uint8Array {
  const serial = random.slice();
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

/** The library takes whole buffers only. */
function owned(view: Uint8Array): ArrayBuffer {
  return new Uint8Array(view).buffer;
}
