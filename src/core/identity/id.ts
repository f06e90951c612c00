import { base64nopad, base64urlnopad, concatBytes, hexToBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';

/** Length of an identity's id: SHA-256. */
const ID_BYTES = 32;
/** Length of an uncompressed P-256 point: 04 ‖ x ‖ y (SEC 1, section 2.3.3). */
export const POINT_BYTES = 65;
/** What stands before the point in the SubjectPublicKeyInfo of every P-256 key (RFC 5480, section 2), 26 bytes. */
export const SPKI_PREFIX: Uint8Array = hexToBytes('3059301306072a8648ce3d020106082a8648ce3d030107034200');

const SHOWN_PREFIX = 'SHA256:';
const NAME_CHARACTERS_MAX = 64;

/** The DER SubjectPublicKeyInfo of a P-256 point (65 bytes): 91 bytes. Throws `key-invalid` for another form. */
export function subjectPublicKeyInfo(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== POINT_BYTES || publicKey[0] !== 4) {
    throw new SealwireError('key-invalid', `A public key is an uncompressed point of ${POINT_BYTES} bytes.`);
  }
  return concatBytes(SPKI_PREFIX, publicKey);
}

/** An identity's id: the SHA-256, 32 bytes, of its key's DER SubjectPublicKeyInfo. Throws `key-invalid`. */
export function identityId(crypto: Crypto, publicKey: Uint8Array): Uint8Array {
  return crypto.sha256(subjectPublicKeyInfo(publicKey));
}

/** An id as people see it: `SHA256:` and base64 without padding, as `ssh-keygen -l` prints its fingerprints. */
export function formatId(id: Uint8Array): string {
  return SHOWN_PREFIX + base64nopad.encode(checkId(id));
}

/** The id (32 bytes) that {@link formatId} showed; throws `malformed`. */
export function parseId(text: string): Uint8Array {
  const hint = 'An id looks like SHA256: and 43 characters; `sealwire id` prints it.';
  try {
    if (!text.startsWith(SHOWN_PREFIX)) throw new Error('the prefix is missing');
    return checkId(base64nopad.decode(text.slice(SHOWN_PREFIX.length)));
  } catch (cause) {
    throw new SealwireError('malformed', `${JSON.stringify(text.slice(0, 80))} is not an id.`, { hint, cause });
  }
}

/** An id as a topic: base64url without padding (RFC 4648, section 5). A session's labels carry the recipient's. */
export function idToTopic(id: Uint8Array): string {
  return base64urlnopad.encode(checkId(id));
}

function checkId(id: Uint8Array): Uint8Array {
  if (id.length !== ID_BYTES) throw new SealwireError('malformed', `An id has ${ID_BYTES} bytes, not ${id.length}.`);
  return id;
}

/**
 * Why `name` cannot name an identity, or undefined where it can: 1 to 64 characters (RFC 5280, ub-common-name), no
 * control or invisible characters, no space at either end. Names are shown in terminals and compared as they stand.
 */
export function nameProblem(name: string): string | undefined {
  const characters = [...name].length;
  if (characters === 0) return 'it is empty';
  if (characters > NAME_CHARACTERS_MAX) return `it has ${characters} characters, ${NAME_CHARACTERS_MAX} at most`;
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(name)) return 'it holds control or invisible characters';
  if (/^\p{Zs}|\p{Zs}$/u.test(name)) return 'it begins or ends with a space';
  if (name.normalize('NFC') !== name) return 'it is not in Unicode normal form C';
  return undefined;
}

/** `name` itself; throws `malformed` where {@link nameProblem} finds something. */
export function checkName(name: string): string {
  const problem = nameProblem(name);
  if (problem === undefined) return name;
  throw new SealwireError('malformed', `The name ${JSON.stringify(name.slice(0, 80))} cannot be used: ${problem}.`, {
    hint: 'Use 1 to 64 visible characters, for example plant-sensor-7.',
  });
}

/**
 * `text` as one word of a POSIX shell, for commands in hints: the names in them come from certificates that anyone can
 * write, and people copy the commands.
 */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
