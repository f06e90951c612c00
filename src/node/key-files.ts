import {
  createCipheriv,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  type PrivateKeyInput,
  pbkdf2Sync,
  randomBytes,
} from 'node:crypto';
import { EncryptedData, EncryptedPrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { AsnConvert, AsnProp, AsnPropTypes, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { SealwireError } from '../core/errors.ts';
import { type PemBlock, readPem, writePem } from './pem.ts';

/** Rounds of PBKDF2-HMAC-SHA256 over the passphrase of a key file. */
export const PBKDF2_ITERATIONS = 600_000;

const CURVE = 'prime256v1';
const ENCRYPTED = 'ENCRYPTED PRIVATE KEY';
const KEY_LABELS = new Set(['PRIVATE KEY', 'EC PRIVATE KEY', ENCRYPTED]);
const OTHER_KEY = /^(?:RSA|DSA|OPENSSH) PRIVATE KEY$/;
const MISSING_PASSPHRASE = 'ERR_MISSING_PASSPHRASE';

/** Where a key came from, and what opens it. */
export interface KeySource {
  /** Named in errors: a path. */
  readonly source: string;
  readonly passphrase?: string;
}

/** A fresh P-256 private key. */
export function generateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: CURVE }).privateKey;
}

/**
 * Reads the one private key of a PEM text as `openssl` and {@link writePrivateKey} write them: SEC1, also behind EC
 * PARAMETERS, PKCS#8, encrypted PKCS#8. Throws `malformed`, `unsupported` for another kind of key or curve,
 * `passphrase-required`, `passphrase-wrong`, `key-invalid`.
 */
export function readPrivateKey(pem: string, { source, passphrase }: KeySource): KeyObject {
  const block = findKey(readPem(pem, source), source);
  const encrypted = isEncrypted(block);
  if (encrypted && passphrase === undefined) throw passphraseRequired(source);
  const input: PrivateKeyInput = { key: block.text, format: 'pem' };
  if (encrypted && passphrase !== undefined) input.passphrase = passphrase;
  return checkCurve(openKey(input, source, encrypted), source);
}

/**
 * The key as PKCS#8 PEM; encrypted where a passphrase is given, with PBES2: PBKDF2-HMAC-SHA256,
 * {@link PBKDF2_ITERATIONS} rounds, AES-256-CBC (RFC 8018, section 6.2), which `openssl pkey` opens. Node's own export
 * does 2,048 rounds. Throws `usage` for an empty passphrase.
 */
export function writePrivateKey(key: KeyObject, passphrase?: string): string {
  const der = key.export({ type: 'pkcs8', format: 'der' });
  if (passphrase === undefined) return writePem('PRIVATE KEY', der);
  if (passphrase === '') throw new SealwireError('usage', 'A passphrase must not be empty.');
  return writePem(ENCRYPTED, encryptPkcs8(der, passphrase));
}

/** Whether a passphrase is needed to read a key from this PEM text. */
export function isProtectedKey(pem: string): boolean {
  return readPem(pem, 'a key file').some(isEncrypted);
}

function isEncrypted({ label, text }: PemBlock): boolean {
  return label === ENCRYPTED || /^Proc-Type: 4,ENCRYPTED/m.test(text);
}

function findKey(blocks: readonly PemBlock[], source: string): PemBlock {
  const keys = blocks.filter(({ label }) => KEY_LABELS.has(label));
  const [key] = keys;
  if (keys.length > 1) throw new SealwireError('malformed', `${source} holds ${keys.length} private keys.`);
  if (key) return key;
  const other = blocks.find(({ label }) => OTHER_KEY.test(label));
  if (other) throw unsupported(source, `a key in the form ${other.label}`);
  const found = blocks.length === 0 ? 'no PEM block' : `only ${blocks.map(({ label }) => label).join(', ')}`;
  throw new SealwireError('malformed', `${source} holds no private key but ${found}.`, { hint: HOW_TO_MAKE });
}

const HOW_TO_MAKE = 'Make a key with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE';

function openKey(input: PrivateKeyInput, source: string, encrypted: boolean): KeyObject {
  try {
    return createPrivateKey(input);
  } catch (cause) {
    if (encrypted) {
      if ((cause as NodeJS.ErrnoException).code === MISSING_PASSPHRASE) throw passphraseRequired(source);
      throw new SealwireError('passphrase-wrong', `The passphrase does not open ${source}.`, {
        hint: 'If the passphrase is right, the file is damaged.',
        cause,
      });
    }
    throw new SealwireError('key-invalid', `The private key in ${source} cannot be read.`, {
      hint: HOW_TO_MAKE,
      cause,
    });
  }
}

function checkCurve(key: KeyObject, source: string): KeyObject {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type !== 'ec') throw unsupported(source, `a key of type ${type}`);
  if (details?.namedCurve !== CURVE)
    throw unsupported(source, `a key on the curve ${details?.namedCurve ?? 'unknown'}`);
  // Files may spell the curve's parameters out; rebuilt by its name, the key has the one form that ids are made of.
  return createPrivateKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
}

function passphraseRequired(source: string): SealwireError {
  return new SealwireError('passphrase-required', `The private key in ${source} is protected by a passphrase.`, {
    hint: 'Give a file that holds it with --passphrase-file FILE.',
  });
}

function unsupported(source: string, what: string): SealwireError {
  return new SealwireError('unsupported', `${source} holds ${what}; an identity needs a P-256 key.`, {
    hint: HOW_TO_MAKE,
  });
}

// What PBES2 is made of (RFC 8018, appendix A).
const OID = {
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacSha256: '1.2.840.113549.2.9',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
};

class Pbkdf2Parameters {
  salt: OctetString = new OctetString();
  iterations = 0;
  prf: AlgorithmIdentifier = new AlgorithmIdentifier();
}
AsnProp({ type: OctetString })(Pbkdf2Parameters.prototype, 'salt');
AsnProp({ type: AsnPropTypes.Integer })(Pbkdf2Parameters.prototype, 'iterations');
AsnProp({ type: AlgorithmIdentifier })(Pbkdf2Parameters.prototype, 'prf');

class Pbes2Parameters {
  keyDerivation: AlgorithmIdentifier = new AlgorithmIdentifier();
  encryption: AlgorithmIdentifier = new AlgorithmIdentifier();
}
AsnProp({ type: AlgorithmIdentifier })(Pbes2Parameters.prototype, 'keyDerivation');
AsnProp({ type: AlgorithmIdentifier })(Pbes2Parameters.prototype, 'encryption');

function encryptPkcs8(pkcs8: Uint8Array, passphrase: string): Uint8Array {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const key = pbkdf2Sync(passphrase, salt, PBKDF2_ITERATIONS, 32, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const sealed = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
  key.fill(0);

  const derivation = new Pbkdf2Parameters();
  derivation.salt = new OctetString(salt);
  derivation.iterations = PBKDF2_ITERATIONS;
  derivation.prf = new AlgorithmIdentifier({ algorithm: OID.hmacSha256, parameters: null });
  const parameters = new Pbes2Parameters();
  parameters.keyDerivation = algorithm(OID.pbkdf2, derivation);
  parameters.encryption = algorithm(OID.aes256Cbc, new OctetString(iv));
  const info = new EncryptedPrivateKeyInfo({
    encryptionAlgorithm: algorithm(OID.pbes2, parameters),
    encryptedData: new EncryptedData(sealed),
  });
  return new Uint8Array(AsnConvert.serialize(info));
}

function algorithm(oid: string, parameters: object): AlgorithmIdentifier {
  return new AlgorithmIdentifier({ algorithm: oid, parameters: AsnConvert.serialize(parameters) });
}
