import { equalBytes, bytesToHex as hex } from '../../src/core/bytes.ts';
import { type CborMap, type CborValue, encodeCbor } from '../../src/core/cbor.ts';
import { decodeSign1, encodeSign1, type Sign1, sign1ToBeSigned } from '../../src/core/cose.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import type { Channel, Roster, RosterMember, SignedRoster } from '../../src/core/roster/roster.ts';
import { rosterTopic } from '../../src/core/roster/roster-topic.ts';
import { decodeRoster, draftRoster } from '../../src/core/roster/signed-roster.ts';
import { rosterClaim } from '../../src/core/roster/succession.ts';
import { type FramePerson, ISSUED_AT_S, RECIPIENT, SENDER, signAs, withHighS } from '../../test/support/frames.ts';
import { fixedHolder } from '../../test/support/identities.ts';
import { personVector, type VectorPerson } from './frames.ts';

/** One version; byte strings hex. */
export interface RosterVersionVector {
  readonly what: string;
  readonly version: number;
  /** What it says, with byte strings in hex. */
  readonly roster: unknown;
  readonly protectedBytes: string;
  readonly payload: string;
  readonly toBeSigned: string;
  readonly hash: string;
  readonly signature: string;
  readonly bytes: string;
  /** Where a broker keeps it. */
  readonly topic: string;
  /** How labels and blocks name it: 16 bytes of its hash. */
  readonly claim: { readonly version: number; readonly hash: string };
}

/** Something that must be refused as it is read. */
export interface RefusedRosterVector {
  readonly what: string;
  readonly error: string;
  readonly bytes: string;
}

/** What becomes of a version that is shown to somebody who has the versions up to `after`, 0 for none. */
export interface RosterOfferVector {
  readonly what: string;
  readonly after: number;
  readonly bytes: string;
  /** `accepted`, `known`, `missing` or the code that it is turned away with. */
  readonly outcome: string;
}

/** A channel by topic: the first that has a filter for it in the newest version; null for none. */
export interface TopicVector {
  readonly topic: string;
  readonly channel: string | null;
}

/** A roster's versions, and what is no roster or does not follow; byte strings hex. */
export interface RosterVectors {
  readonly authority: VectorPerson;
  /** Whose key signs from version 4 on. */
  readonly successor: VectorPerson;
  readonly versions: readonly RosterVersionVector[];
  readonly refused: readonly RefusedRosterVector[];
  readonly offers: readonly RosterOfferVector[];
  readonly topics: readonly TopicVector[];
}

const NAME = 'plant';
const AUTHORITY = SENDER;
const SUCCESSOR = RECIPIENT;
const SENSOR_ID = new Uint8Array(32).fill(0x5e);
const LOST_ID = new Uint8Array(32).fill(0x10);

const CHANNEL: Channel = {
  ...{ name: 'line4', filters: ['plant/line-4/#'], writers: ['sensor 7'], readers: ['boiler', 'office'] },
  ...{ confirmers: 'none', rotateAfterMs: 86_400_000, rotateAfterFrames: 2 ** 20, history: false, batchMax: 1024 },
  ...{ paddingBytes: 0, evidence: 'none', erasers: [] },
};
const PAYMENTS: Channel = {
  ...{ ...CHANNEL, name: 'payments', filters: ['office/+/paid', 'plant/line-4/invoice'], writers: ['office'] },
  ...{ readers: ['boiler', 'staff'], confirmers: ['boiler'], rotateAfterMs: 3_600_000, rotateAfterFrames: 1000 },
  ...{ history: true, batchMax: 1, paddingBytes: 256, evidence: 'keep', erasers: ['office'] },
};

interface Version {
  readonly what: string;
  readonly signer: FramePerson;
  readonly change: Partial<Roster>;
}

async function plan(): Promise<Version[]> {
  const { certificate } = await fixedHolder('plant root', 1, { ca: true });
  const pins: readonly RosterMember[] = [
    { type: 'pin', name: 'office', id: AUTHORITY.id },
    { type: 'pin', name: 'boiler', id: RECIPIENT.id },
    { type: 'pin', name: 'sensor 7', id: SENSOR_ID },
  ];
  const staff: RosterMember = { type: 'issued', name: 'staff', pattern: 'staff-*', certificate: certificate.der };
  const revocations = [
    { id: LOST_ID, timeS: ISSUED_AT_S + 100, sinceIndex: null },
    { id: SENSOR_ID, timeS: ISSUED_AT_S + 200, sinceIndex: 17 },
  ];
  return [
    { what: 'three members by key, one channel', signer: AUTHORITY, change: { members: pins, channels: [CHANNEL] } },
    {
      what: 'a group under an authority, a channel with everything, an end',
      signer: AUTHORITY,
      change: { members: [...pins, staff], channels: [PAYMENTS, CHANNEL], expiresAtS: ISSUED_AT_S + 31_536_000 },
    },
    {
      what: 'two keys revoked, and another authority named',
      signer: AUTHORITY,
      change: { revocations, authorityKey: SUCCESSOR.publicKey },
    },
    { what: 'the first of the new authority', signer: SUCCESSOR, change: {} },
  ];
}

/** Four versions, and what is made of them. */
export async function rosterVectors(crypto: Crypto): Promise<RosterVectors> {
  const versions: SignedRoster[] = [];
  const vectors: RosterVersionVector[] = [];
  for (const { what, signer, change } of await plan()) {
    const roster = sign(crypto, signer, contentAfter(versions.at(-1), change));
    versions.push(roster);
    vectors.push({ what, ...versionVector(roster) });
  }
  const [first, second, third, fourth] = versions;
  if (!first || !second || !third || !fourth) throw new Error('the vectors have four versions');
  return {
    authority: personVector(AUTHORITY),
    successor: personVector(SUCCESSOR),
    versions: vectors,
    refused: refusedVectors(first),
    offers: offerVectors(crypto, [first, second, third, fourth]),
    topics: [
      { topic: 'plant/line-4/temperature', channel: 'line4' },
      { topic: 'plant/line-4', channel: 'line4' },
      { topic: 'plant/line-4/invoice', channel: 'payments' },
      { topic: 'office/berlin/paid', channel: 'payments' },
      { topic: 'office/paid', channel: null },
      { topic: 'plant/line-5/temperature', channel: null },
    ],
  };
}

function contentAfter(before: SignedRoster | undefined, change: Partial<Roster>): Roster {
  const base = before ?? {
    ...{ name: NAME, authorityKey: AUTHORITY.publicKey, expiresAtS: null },
    ...{ members: [], channels: [], revocations: [] },
  };
  const { name, authorityKey, expiresAtS, members, channels, revocations } = { ...base, ...change };
  const version = change.version ?? (before?.version ?? 0) + 1;
  const issuedAtS = change.issuedAtS ?? ISSUED_AT_S + 100 * (version - 1);
  const place = { version, previous: change.previous ?? before?.hash ?? null, issuedAtS };
  return { name, authorityKey, expiresAtS, members, channels, revocations, ...place };
}

function sign(crypto: Crypto, signer: FramePerson, roster: Roster, signerId = signer.id): SignedRoster {
  const draft = draftRoster(roster, signerId);
  return decodeRoster(crypto, draft.finish(signAs(signer, draft.toBeSigned)));
}

function versionVector(roster: SignedRoster): Omit<RosterVersionVector, 'what'> {
  const { bytes, hash, signerId, signature, toBeVerified, ...content } = roster;
  const { protectedBytes, payload } = decodeSign1(bytes);
  const claim = rosterClaim(roster);
  return {
    version: roster.version,
    roster: { signerId: hex(signerId), ...(inHex(content) as object) },
    ...{ protectedBytes: hex(protectedBytes), payload: hex(payload ?? new Uint8Array(0)) },
    ...{ toBeSigned: hex(toBeVerified), hash: hex(hash), signature: hex(signature), bytes: hex(bytes) },
    topic: rosterTopic(roster.name, roster.version),
    claim: { version: claim.version, hash: hex(claim.hash) },
  };
}

/** The same with every byte string in hex. */
export function inHex(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(inHex);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, inHex(part)]));
}

function offerVectors(
  crypto: Crypto,
  [first, second, third, fourth]: readonly [SignedRoster, SignedRoster, SignedRoster, SignedRoster],
): RosterOfferVector[] {
  const end = { expiresAtS: ISSUED_AT_S + 1_000_000 };
  const other = sign(crypto, AUTHORITY, contentAfter(first, end));
  const offers: readonly (readonly [what: string, after: number, offered: SignedRoster, outcome: string])[] = [
    ['the first version, of the authority that is trusted', 0, first, 'accepted'],
    ['the second version to somebody without the first', 0, second, 'missing'],
    ['the version that follows', 1, second, 'accepted'],
    ['a version too far', 1, third, 'missing'],
    ['the newest version once more', 3, third, 'known'],
    ['an old version', 3, first, 'known'],
    ['the version that names another authority, signed by the old one', 2, third, 'accepted'],
    ['what the new authority signs', 3, fourth, 'accepted'],
    ['the same version with another content', 2, other, 'roster-forked'],
    ['a version that follows another history', 2, sign(crypto, AUTHORITY, contentAfter(other, {})), 'roster-forked'],
    ['what the old authority signs after the new one was named', 3, asOld(crypto, third), 'roster-invalid'],
    ['a first version of somebody else', 0, strangers(crypto), 'roster-invalid'],
    ['a first version that names another key than it is signed with', 0, forAnother(crypto), 'roster-invalid'],
    ['another roster of the same authority', 1, sign(crypto, AUTHORITY, renamed(first)), 'roster-invalid'],
    ['a version that is older than the one before', 1, sign(crypto, AUTHORITY, early(first)), 'roster-invalid'],
    ['a version signed by another key under the authority’s id', 1, forged(crypto, first), 'signature-invalid'],
  ];
  return offers.map(([what, after, { bytes }, outcome]) => ({ what, after, bytes: hex(bytes), outcome }));
}

const asOld = (crypto: Crypto, third: SignedRoster): SignedRoster => sign(crypto, AUTHORITY, contentAfter(third, {}));
const strangers = (crypto: Crypto): SignedRoster =>
  sign(crypto, SUCCESSOR, contentAfter(undefined, { authorityKey: SUCCESSOR.publicKey }));
const forAnother = (crypto: Crypto): SignedRoster =>
  sign(crypto, AUTHORITY, contentAfter(undefined, { authorityKey: SUCCESSOR.publicKey }));
const renamed = (first: SignedRoster): Roster => contentAfter(first, { name: 'office' });
const early = (first: SignedRoster): Roster => contentAfter(first, { issuedAtS: ISSUED_AT_S - 1 });
const forged = (crypto: Crypto, first: SignedRoster): SignedRoster =>
  sign(crypto, SUCCESSOR, contentAfter(first, {}), AUTHORITY.id);

/** Each signed anew where that is possible, so that nothing but what is named is wrong. */
function refusedVectors(first: SignedRoster): RefusedRosterVector[] {
  const parts = decodeSign1(first.bytes);
  if (!equalBytes(encodeSign1(resigned(parts, HEADER, CONTENT)), first.bytes)) {
    throw new Error('what is altered here is not the first version');
  }
  const put = (label: number, value: CborValue): Sign1 =>
    resigned(parts, new Map([...HEADER, [label, value]]), CONTENT);
  const say = (at: number, value: CborValue): Sign1 => resigned(parts, HEADER, CONTENT.with(at, value));
  const inChannel = (at: number, value: CborValue): Sign1 => say(5, [CHANNEL_ITEM.with(at, value)]);
  const claims = new Map<number, CborValue>([[1, NAME]]);
  const refused: readonly (readonly [what: string, error: string, sign1: Sign1])[] = [
    ['an unprotected header', 'malformed', { ...parts, unprotected: new Map([[4, AUTHORITY.id]]) }],
    ['a detached payload', 'malformed', { ...parts, payload: null }],
    ['a signature with high s', 'signature-invalid', { ...parts, signature: withHighS(parts.signature) }],
    ['a header too many', 'malformed', put(3, 17)],
    ['another algorithm', 'malformed', put(1, -8)],
    ['another kind', 'malformed', put(-65537, [20, 1])],
    ['another protocol version', 'unsupported', put(-65537, [21, 2])],
    ['claims without a time', 'malformed', put(15, claims)],
    [
      'a name that would be another topic',
      'roster-invalid',
      put(15, new Map<number, CborValue>([...claims, [1, 'a/b'], [6, 1]])),
    ],
    ['six parts', 'malformed', resigned(parts, HEADER, CONTENT.slice(0, 6))],
    ['version 0', 'roster-invalid', say(0, 0)],
    ['a first version that follows something', 'roster-invalid', say(1, new Uint8Array(32))],
    ['a second version that follows nothing', 'roster-invalid', say(0, 2)],
    ['a hash of 31 bytes', 'malformed', resigned(parts, HEADER, CONTENT.with(0, 2).with(1, new Uint8Array(31)))],
    ['an authority’s key in compressed form', 'malformed', say(2, AUTHORITY.publicKey.subarray(0, 33))],
    ['an end before its time', 'roster-invalid', say(3, ISSUED_AT_S)],
    ['a member’s id of 31 bytes', 'malformed', say(4, [['office', AUTHORITY.id.subarray(1)]])],
    ['a member twice', 'roster-invalid', say(4, [...MEMBER_ITEMS, ['office', LOST_ID]])],
    ['a key under two names', 'roster-invalid', say(4, [...MEMBER_ITEMS, ['other', AUTHORITY.id]])],
    ['a writer who is no member', 'roster-invalid', inChannel(2, ['nobody'])],
    ['a reader twice', 'roster-invalid', inChannel(3, ['boiler', 'boiler'])],
    ['a confirmer who does not read', 'roster-invalid', inChannel(4, ['sensor 7'])],
    ['a fourth way to confirm', 'malformed', inChannel(4, 3)],
    ['a channel without a filter', 'roster-invalid', inChannel(1, [])],
    ['a filter that is none', 'topic-invalid', inChannel(1, ['plant/#/x'])],
    ['a filter for control topics', 'roster-invalid', inChannel(1, ['sealwire/#'])],
    ['ratchets older than a day', 'roster-invalid', inChannel(5, 86_400_001)],
    ['ratchets for more than 2^20 frames', 'roster-invalid', inChannel(6, 2 ** 20 + 1)],
    ['batches of 1,025', 'roster-invalid', inChannel(8, 1025)],
    ['evidence of frames with two messages', 'roster-invalid', say(5, [CHANNEL_ITEM.with(8, 2).with(10, true)])],
    [
      'a key revoked twice',
      'roster-invalid',
      say(6, [
        [LOST_ID, 1, null],
        [LOST_ID, 1, 5],
      ]),
    ],
  ];
  return refused.map(([what, error, sign1]) => ({ what, error, bytes: hex(encodeSign1(sign1)) }));
}

const HEADER: CborMap = new Map<number, CborValue>([
  [1, -7],
  [4, AUTHORITY.id],
  [
    15,
    new Map<number, CborValue>([
      [1, NAME],
      [6, ISSUED_AT_S],
    ]),
  ],
  [-65537, [21, 1]],
]);
const MEMBER_ITEMS: readonly CborValue[] = [
  ['office', AUTHORITY.id],
  ['boiler', RECIPIENT.id],
  ['sensor 7', SENSOR_ID],
];
const CHANNEL_ITEM: readonly CborValue[] = [
  ...['line4', ['plant/line-4/#'], ['sensor 7'], ['boiler', 'office'], 0, 86_400_000, 2 ** 20],
  ...[false, 1024, 0, false, []],
];
const CONTENT: readonly CborValue[] = [1, null, AUTHORITY.publicKey, null, MEMBER_ITEMS, [CHANNEL_ITEM], []];

function resigned(parts: Sign1, header: CborMap, content: readonly CborValue[]): Sign1 {
  const protectedBytes = encodeCbor(header);
  const payload = encodeCbor(content);
  return { ...parts, protectedBytes, payload, signature: signAs(AUTHORITY, sign1ToBeSigned(protectedBytes, payload)) };
}
