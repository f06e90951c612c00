import { createCipheriv, createDecipheriv, createPrivateKey, type KeyObject, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import { type Certificate, parseCertificate } from '../core/identity/certificate.ts';
import { parseTrust, type TrustList } from '../core/identity/trust.ts';
import type { RosterTrust } from '../core/roster/succession.ts';
import { PBKDF2_ITERATIONS } from './key-files.ts';
import { readPem, writePem } from './pem.ts';
import { freshRandom } from './random.ts';

/**
 * What of a home can be kept elsewhere: what stays true. Ratchets, sessions and enrolment tokens are not among it, for
 * an old state of those, brought back, would use keys and tokens twice.
 */
export interface BackupContents {
  readonly privateKey: KeyObject;
  /** The leaf first. */
  readonly chain: readonly Certificate[];
  readonly trust: TrustList;
  /** The roster that the home goes by, every version; null for none. */
  readonly roster: BackedUpRoster | null;
}

/** A roster with what it is believed on. */
export interface BackedUpRoster {
  readonly trust: RosterTrust;
  readonly versions: readonly Uint8Array[];
}

/** What {@link sealBackup} takes: the list of trust as it is written in the home. */
export type BackupSource = Omit<BackupContents, 'trust'> & { readonly trustText: string };

const LABEL = 'SEALWIRE BACKUP';
const VERSION = 1;
const CIPHER = 'aes-256-gcm';
const LENGTHS = { salt: 16, iv: 12, tag: 16, key: 32 } as const;
/** A roster has as many versions as it had changes. */
export const BACKUP_BYTES_MAX: number = 64 * 1024 * 1024;
const derive = promisify(pbkdf2);

/**
 * A home's lasting parts as PEM text: the passphrase opens it, and nobody else can have put anything into it.
 * PBKDF2-HMAC-SHA256 with {@link PBKDF2_ITERATIONS} rounds, AES-256-GCM. Throws `usage` for an empty passphrase.
 */
export async function sealBackup(source: BackupSource, passphrase: string): Promise<string> {
  if (passphrase === '') throw new SealwireError('usage', 'A passphrase must not be empty.');
  const { privateKey, chain, trustText, roster } = source;
  const content = encodeCbor([
    VERSION,
    new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' })),
    chain.map(({ der }) => der),
    trustText,
    roster && [roster.trust.name, roster.trust.authorityId, roster.versions],
  ]);
  const salt = freshRandom(LENGTHS.salt);
  const iv = freshRandom(LENGTHS.iv);
  const key = await keyOf(passphrase, salt);
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(aad(salt));
  const sealed = Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
  key.fill(0);
  content.fill(0);
  return writePem(LABEL, encodeCbor([VERSION, salt, iv, new Uint8Array(sealed)]));
}

/** What {@link sealBackup} sealed. Throws `malformed`, naming `source`, `unsupported` for a later version, `passphrase-wrong`. */
export async function openBackup(text: string, passphrase: string, source: string): Promise<BackupContents> {
  const { salt, iv, sealed } = readOuter(text, source);
  const key = await keyOf(passphrase, salt);
  const content = decrypt(key, { salt, iv, sealed }, source);
  key.fill(0);
  try {
    return readContents(decodeCbor(content, { bytesMax: BACKUP_BYTES_MAX }));
  } catch (cause) {
    if (isSealwireError(cause, 'unsupported')) throw cause;
    throw malformed(source, 'what it holds is not a home', cause);
  } finally {
    content.fill(0);
  }
}

interface Outer {
  readonly salt: Uint8Array;
  readonly iv: Uint8Array;
  readonly sealed: Uint8Array;
}

function readOuter(text: string, source: string): Outer {
  const [block] = readPem(text, source).filter(({ label }) => label === LABEL);
  if (!block) throw malformed(source, `there is no ${LABEL} in it`);
  const item = itemOf(block.der, source);
  if (!Array.isArray(item) || item.length !== 4) throw malformed(source, 'its form is unknown');
  const [version, salt, iv, sealed] = item;
  checkVersion(version);
  if (!isBytes(salt, LENGTHS.salt) || !isBytes(iv, LENGTHS.iv) || !(sealed instanceof Uint8Array)) {
    throw malformed(source, 'its form is unknown');
  }
  if (sealed.length <= LENGTHS.tag) throw malformed(source, 'it is cut');
  return { salt, iv, sealed };
}

function itemOf(der: Uint8Array, source: string): CborValue {
  try {
    return decodeCbor(der, { bytesMax: BACKUP_BYTES_MAX });
  } catch (cause) {
    throw malformed(source, 'it is damaged', cause);
  }
}

function decrypt(key: Uint8Array, { salt, iv, sealed }: Outer, source: string): Uint8Array {
  const at = sealed.length - LENGTHS.tag;
  const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: LENGTHS.tag })
    .setAAD(aad(salt))
    .setAuthTag(sealed.subarray(at));
  try {
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, at)), decipher.final()]));
  } catch (cause) {
    throw new SealwireError('passphrase-wrong', `The passphrase does not open ${source}.`, {
      hint: 'If the passphrase is right, the file was changed or damaged.',
      cause,
    });
  }
}

function readContents(item: CborValue): BackupContents {
  if (!Array.isArray(item) || item.length !== 5) throw new Error('not an array of 5');
  const [version, key, chain, trustText, roster] = item as readonly CborValue[];
  checkVersion(version);
  if (!(key instanceof Uint8Array) || typeof trustText !== 'string') throw new Error('no key or no trust');
  if (!Array.isArray(chain)) throw new Error('no certificates');
  return {
    privateKey: createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' }),
    chain: chain.map((der) => parseCertificate(der as Uint8Array)),
    trust: parseTrust(trustText),
    roster: roster === null ? null : readRoster(roster),
  };
}

function readRoster(item: CborValue | undefined): BackedUpRoster {
  const [name, authorityId, versions] = Array.isArray(item) ? (item as readonly CborValue[]) : [];
  if (typeof name !== 'string' || !isBytes(authorityId, 32) || !Array.isArray(versions)) throw new Error('no roster');
  const read = versions.filter((bytes) => bytes instanceof Uint8Array);
  if (read.length < versions.length) throw new Error('no version of a roster');
  return { trust: { name, authorityId }, versions: read };
}

function checkVersion(version: CborValue | undefined): void {
  if (version === VERSION) return;
  throw new SealwireError('unsupported', `The backup is of version ${String(version)}, not ${VERSION}.`, {
    hint: 'Open it with the version of Sealwire that made it, or a later one.',
  });
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function keyOf(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  return derive(passphrase, salt, PBKDF2_ITERATIONS, LENGTHS.key, 'sha256');
}

function aad(salt: Uint8Array): Uint8Array {
  return encodeCbor([LABEL, VERSION, salt]);
}

function malformed(source: string, why: string, cause?: unknown): SealwireError {
  return new SealwireError('malformed', `${source} is no backup of a home: ${why}.`, {
    hint: '`sealwire id export FILE` makes one.',
    cause,
  });
}
