import { concatBytes, equalBytes } from '../bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { CHAIN_CERTIFICATES_MAX } from '../identity/path.ts';
import { checkRosterName } from '../roster/roster-check.ts';

/**
 * Which roster to go by, and how far it has come: its versions are kept by the broker, where a device takes them from
 * the first on, each signed by whom the one before names.
 */
export interface RosterReference {
  readonly name: string;
  /** 32 bytes: whose key signed the first version. */
  readonly authorityId: Uint8Array;
  /** The newest version, which names the device. */
  readonly version: number;
  /** 32 bytes: that version's hash. */
  readonly hash: Uint8Array;
}

/** What the authority gives to a device. */
export interface Enrolled {
  /** DER, the device's own first. */
  readonly chain: readonly Uint8Array[];
  /** The authority's own certificate, DER. */
  readonly authority: Uint8Array;
  /** Null in renewals, where nobody would vouch for it. */
  readonly roster: RosterReference | null;
}

/** Why a device gets nothing; no finer than the device can use. */
export type Refusal = 'token-invalid' | 'enrolment-refused';

/** What a device is answered. */
export type EnrolmentAnswer =
  | ({ readonly type: 'enrolled' } & Enrolled)
  | { readonly type: 'refused'; readonly code: Refusal; readonly reason: string };

const VERSION = 1;
const ENROLLED = 0;
const REFUSED = 1;
const TAG_BYTES = 32;
const HASH_BYTES = 32;
const ANSWER_BYTES_MAX: number = 32 * 1024;
const REASON_CHARACTERS_MAX = 300;
const REFUSALS: readonly Refusal[] = ['token-invalid', 'enrolment-refused'];

/**
 * An answer to one request: HMAC over the request's hash and the answer, so that it belongs to no other request. With a
 * null key, for renewals, there is no HMAC: certificates and roster carry their own signatures.
 */
export function encodeAnswer(
  crypto: Crypto,
  answerKey: Uint8Array | null,
  signingRequest: Uint8Array,
  answer: EnrolmentAnswer,
): Uint8Array {
  const body = encodeCbor(toItem(answer));
  return encodeCbor([VERSION, body, answerKey === null ? null : tagOf(crypto, answerKey, signingRequest, body)]);
}

/**
 * Reads an answer to `signingRequest`. With a key, throws `mac-invalid` where the HMAC does not hold; else `malformed`
 * or `too-large`. What it holds is still to be checked.
 */
export function decodeAnswer(
  crypto: Crypto,
  answerKey: Uint8Array | null,
  signingRequest: Uint8Array,
  data: Uint8Array,
): EnrolmentAnswer {
  const item = decodeCbor(data, { bytesMax: ANSWER_BYTES_MAX });
  const [version, body, tag] = Array.isArray(item) && item.length === 3 ? item : [];
  if (version !== VERSION || !(body instanceof Uint8Array)) throw malformed();
  if (answerKey === null) {
    // One encoding each: nothing may stand where nobody looks.
    if (tag !== null) throw malformed();
  } else {
    const holds = tag instanceof Uint8Array && tag.length === TAG_BYTES;
    if (!holds || !equalBytes(tagOf(crypto, answerKey, signingRequest, body), tag)) {
      throw new SealwireError('mac-invalid', 'An answer to the request to enrol is not from the authority.');
    }
  }
  return fromItem(decodeCbor(body, { bytesMax: ANSWER_BYTES_MAX }));
}

function toItem(answer: EnrolmentAnswer): CborValue {
  if (answer.type === 'refused') return [REFUSED, answer.code, answer.reason.slice(0, REASON_CHARACTERS_MAX)];
  const { chain, authority, roster } = answer;
  const reference = roster && [roster.name, roster.authorityId, roster.version, roster.hash];
  return [ENROLLED, chain, authority, reference];
}

function fromItem(item: CborValue): EnrolmentAnswer {
  if (!Array.isArray(item)) throw malformed();
  const [type, ...rest] = item as readonly CborValue[];
  if (type === ENROLLED && rest.length === 3) return toEnrolled(rest);
  const [code, reason] = rest;
  const known = REFUSALS.find((refusal) => refusal === code);
  if (type !== REFUSED || rest.length !== 2 || !known || typeof reason !== 'string') throw malformed();
  return { type: 'refused', code: known, reason: reason.slice(0, REASON_CHARACTERS_MAX) };
}

function toEnrolled([chain, authority, roster]: readonly CborValue[]): EnrolmentAnswer {
  if (!Array.isArray(chain) || chain.length === 0 || chain.length > CHAIN_CERTIFICATES_MAX) throw malformed();
  const certificates = chain.filter((der) => der instanceof Uint8Array);
  if (certificates.length < chain.length) throw malformed();
  if (!(authority instanceof Uint8Array) || roster === undefined) throw malformed();
  return { type: 'enrolled', chain: certificates, authority, roster: roster === null ? null : toReference(roster) };
}

function toReference(item: CborValue): RosterReference {
  const [name, authorityId, version, hash] = Array.isArray(item) && item.length === 4 ? (item as CborValue[]) : [];
  if (typeof name !== 'string' || !isHash(authorityId) || !isHash(hash)) throw malformed();
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) throw malformed();
  return { name: checkRosterName(name), authorityId, version, hash };
}

function isHash(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.length === HASH_BYTES;
}

function tagOf(crypto: Crypto, key: Uint8Array, signingRequest: Uint8Array, body: Uint8Array): Uint8Array {
  return crypto.hmac(key, concatBytes(crypto.sha256(signingRequest), body));
}

function malformed(): SealwireError {
  return new SealwireError('malformed', 'An answer to a request to enrol does not have its form.');
}
