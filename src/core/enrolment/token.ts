import { base64urlnopad, concatBytes, equalBytes, utf8ToBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';

/** Random bytes in a token: nobody guesses them, not with a recorded request to try against either. */
const SECRET_BYTES = 16;
/** What names a token where others read along. */
export const TOKEN_ID_BYTES = 16;
// So that it is told from anything else that is copied and pasted.
const TOKEN_PREFIX = 'sealwire-enrol:';

const AUTHORITY_BYTES = 32;
const CHECK_BYTES = 4;
const VERSION = 1;
const TOKEN_BYTES = 1 + AUTHORITY_BYTES + SECRET_BYTES + CHECK_BYTES;

/** What lets one device enrol: whom to believe, and a secret that is never sent. */
export interface EnrolmentToken {
  /** 32 bytes: the id of the authority's key. */
  readonly authorityId: Uint8Array;
  /** {@link SECRET_BYTES} bytes. */
  readonly secret: Uint8Array;
}

/** What both sides make of a token. The authority keeps these, from which the token cannot be had. */
export interface TokenKeys {
  /** {@link TOKEN_ID_BYTES} bytes; public. */
  readonly tokenId: Uint8Array;
  /** Key of the device's HMAC, 32 bytes. */
  readonly requestKey: Uint8Array;
  /** Key of the authority's HMAC, 32 bytes. */
  readonly answerKey: Uint8Array;
}

/** A fresh token for the authority with that id. */
export function makeToken(crypto: Crypto, authorityId: Uint8Array): EnrolmentToken {
  return { authorityId, secret: crypto.random(SECRET_BYTES) };
}

/** The token as text: `sealwire-enrol:` and base64url of version, id, secret and four bytes of checksum. */
export function formatToken(crypto: Crypto, { authorityId, secret }: EnrolmentToken): string {
  if (authorityId.length !== AUTHORITY_BYTES || secret.length !== SECRET_BYTES) {
    throw new SealwireError('malformed', 'A token is made of an id of 32 bytes and a secret of 16.');
  }
  const content = concatBytes(Uint8Array.of(VERSION), authorityId, secret);
  return TOKEN_PREFIX + base64urlnopad.encode(concatBytes(content, checksum(crypto, content)));
}

/** The token that {@link formatToken} wrote, with spaces around it or not; throws `token-invalid`. */
export function parseToken(crypto: Crypto, text: string): EnrolmentToken {
  const bytes = bytesOf(text.trim());
  const content = bytes.subarray(0, bytes.length - CHECK_BYTES);
  if (bytes[0] !== VERSION) throw invalid('it is of another version');
  if (!equalBytes(checksum(crypto, content), bytes.subarray(-CHECK_BYTES))) throw invalid('a character is wrong');
  return {
    authorityId: content.slice(1, 1 + AUTHORITY_BYTES),
    secret: content.slice(1 + AUTHORITY_BYTES),
  };
}

/** Derives what a token is used by (HKDF with SHA-256; the authority's id is the salt). */
export function tokenKeys(crypto: Crypto, { authorityId, secret }: EnrolmentToken): TokenKeys {
  const prk = crypto.hkdfExtract(authorityId, secret);
  const expand = (label: string, length: number): Uint8Array =>
    crypto.hkdfExpand(prk, utf8ToBytes(`sealwire/1 enrol ${label}`), length);
  return {
    tokenId: expand('id', TOKEN_ID_BYTES),
    requestKey: expand('request', 32),
    answerKey: expand('answer', 32),
  };
}

function bytesOf(text: string): Uint8Array {
  if (!text.startsWith(TOKEN_PREFIX)) throw invalid(`it does not begin with ${TOKEN_PREFIX}`);
  const bytes = decoded(text.slice(TOKEN_PREFIX.length));
  if (bytes?.length !== TOKEN_BYTES) throw invalid('it is cut, or more than the token was copied');
  return bytes;
}

function decoded(text: string): Uint8Array | undefined {
  try {
    return base64urlnopad.decode(text);
  } catch {
    return undefined;
  }
}

/** Finds slips of the pen; it keeps nothing secret. */
function checksum(crypto: Crypto, content: Uint8Array): Uint8Array {
  return crypto.sha256(content).subarray(0, CHECK_BYTES);
}

function invalid(why: string): SealwireError {
  // The token itself is a secret and does not stand in errors.
  return new SealwireError('token-invalid', `This is no enrolment token: ${why}.`, {
    hint: 'Copy it whole, as `sealwire up` or `sealwire token` printed it.',
  });
}
