import { equalBytes } from '../bytes.ts';
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { COSE, decodeProtected, encodeSign1, sign1ToBeSigned, toSign1 } from '../cose.ts';
import { SIGNATURE_BYTES } from '../crypto/es256.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { identityId } from '../identity/id.ts';
import { KIND } from '../kinds.ts';
import { CLAIM, checkSignatureForm } from '../ledger/block.ts';
import { PROTOCOL_VERSION, ROSTER_BYTES_MAX } from '../limits.ts';
import type { Channel, Confirmers, Revocation, Roster, RosterMember, SignedRoster } from './roster.ts';
import { checkRoster } from './roster-check.ts';
import { RosterFields } from './roster-fields.ts';

/** A roster that waits for its authority's signature (ES256, low s); `finish` gives the whole COSE_Sign1. */
export interface RosterDraft {
  readonly toBeSigned: Uint8Array;
  finish(signature: Uint8Array): Uint8Array;
}

const WORDS: readonly Extract<Confirmers, string>[] = ['none', 'any', 'all'];

/**
 * Begins a version of a roster, to be signed by the key of `signerId` (32 bytes): the authority's of the version
 * before, or the own one of a first version. Throws `roster-invalid` or `topic-invalid` for one that contradicts itself,
 * `too-large`.
 */
export function draftRoster(roster: Roster, signerId: Uint8Array): RosterDraft {
  checkRoster(roster);
  const claims = new Map<number, CborValue>([
    [CLAIM.issuer, roster.name],
    [CLAIM.issuedAt, roster.issuedAtS],
  ]);
  const protectedBytes = encodeCbor(
    new Map<number, CborValue>([
      [COSE.alg, COSE.algEs256],
      [COSE.keyId, signerId],
      [COSE.cwtClaims, claims],
      [COSE.sealwire, [KIND.signedRoster, PROTOCOL_VERSION]],
    ]),
  );
  const payload = encodeCbor(contentOf(roster));
  const finish = (signature: Uint8Array): Uint8Array =>
    encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature });
  checkSize(finish(new Uint8Array(SIGNATURE_BYTES)).length);
  return { toBeSigned: sign1ToBeSigned(protectedBytes, payload), finish };
}

/**
 * Reads a roster strictly; throws `malformed`, `too-large`, `unsupported`, `roster-invalid`, `topic-invalid` or
 * `signature-invalid` (for its form). Whether its signature holds, and whether it follows what came before, is not judged here.
 */
export function decodeRoster(crypto: Crypto, bytes: Uint8Array): SignedRoster {
  checkSize(bytes.length);
  const { protectedBytes, unprotected, payload, signature } = toSign1(
    decodeCbor(bytes, { bytesMax: ROSTER_BYTES_MAX }),
  );
  if (unprotected.size !== 0 || payload === null) throw malformed('its content is not all under the signature');
  const header = readHeader(decodeProtected(protectedBytes));
  const roster = { name: header.name, issuedAtS: header.issuedAtS, ...readContent(payload) };
  checkRoster(roster);
  const toBeVerified = sign1ToBeSigned(protectedBytes, payload);
  return {
    ...roster,
    bytes,
    hash: crypto.sha256(toBeVerified),
    signerId: header.signerId,
    signature: checkSignatureForm(signature),
    toBeVerified,
  };
}

/** True where a roster is signed by the key that it names itself, as a first version is. */
export function isSelfSigned(crypto: Crypto, roster: SignedRoster): boolean {
  return equalBytes(identityId(crypto, roster.authorityKey), roster.signerId);
}

function contentOf(roster: Roster): CborValue {
  const { version, previous, authorityKey, expiresAtS, members, channels, revocations } = roster;
  return [
    version,
    previous,
    authorityKey,
    expiresAtS,
    members.map(memberItem),
    channels.map(channelItem),
    revocations.map(({ id, timeS, sinceIndex }): CborValue => [id, timeS, sinceIndex]),
  ];
}

function memberItem(member: RosterMember): CborValue {
  return member.type === 'pin' ? [member.name, member.id] : [member.name, member.pattern, member.certificate];
}

function channelItem(channel: Channel): CborValue {
  const { confirmers } = channel;
  return [
    channel.name,
    [...channel.filters],
    [...channel.writers],
    [...channel.readers],
    typeof confirmers === 'string' ? WORDS.indexOf(confirmers) : [...confirmers],
    channel.rotateAfterMs,
    channel.rotateAfterFrames,
    channel.history,
    channel.batchMax,
    channel.paddingBytes,
    channel.evidence === 'keep',
    [...channel.erasers],
  ];
}

function readHeader(map: CborMap): {
  readonly signerId: Uint8Array;
  readonly name: string;
  readonly issuedAtS: number;
} {
  const [signerId, claims, own] = [map.get(COSE.keyId), map.get(COSE.cwtClaims), map.get(COSE.sealwire)];
  if (map.size !== 4 || map.get(COSE.alg) !== COSE.algEs256) throw malformed('its header is not that of a roster');
  if (!(signerId instanceof Uint8Array) || signerId.length !== 32) throw malformed('its signer is not 32 bytes');
  const [kind, version] = Array.isArray(own) && own.length === 2 ? (own as CborValue[]) : [];
  if (kind !== KIND.signedRoster) throw malformed('it is of another kind');
  if (version !== PROTOCOL_VERSION) throw new SealwireError('unsupported', 'A roster of another protocol version.');
  if (!(claims instanceof Map) || claims.size !== 2) throw malformed('its claims are not name and time');
  const named: CborMap = claims;
  const [name, issuedAtS] = [named.get(CLAIM.issuer), named.get(CLAIM.issuedAt)];
  if (typeof name !== 'string' || typeof issuedAtS !== 'number') throw malformed('its claims are not name and time');
  return { signerId, name, issuedAtS };
}

function readContent(payload: Uint8Array): Omit<Roster, 'name' | 'issuedAtS'> {
  const fields = new RosterFields(decodeCbor(payload, { bytesMax: ROSTER_BYTES_MAX }), 7);
  return {
    version: fields.count(0),
    previous: fields.orNull(1, () => fields.bytes(1, 32)),
    authorityKey: fields.bytes(2, 65),
    expiresAtS: fields.orNull(3, () => fields.count(3)),
    members: fields.list(4).map(readMember),
    channels: fields.list(5).map(readChannel),
    revocations: fields.list(6).map(readRevocation),
  };
}

function readMember(item: CborValue): RosterMember {
  if (Array.isArray(item) && item.length === 2) {
    const fields = new RosterFields(item, 2);
    return { type: 'pin', name: fields.text(0), id: fields.bytes(1, 32) };
  }
  const fields = new RosterFields(item, 3);
  return { type: 'issued', name: fields.text(0), pattern: fields.text(1), certificate: fields.bytes(2) };
}

function readChannel(item: CborValue): Channel {
  const fields = new RosterFields(item, 12);
  return {
    name: fields.text(0),
    filters: fields.texts(1),
    writers: fields.texts(2),
    readers: fields.texts(3),
    confirmers: readConfirmers(fields),
    rotateAfterMs: fields.count(5),
    rotateAfterFrames: fields.count(6),
    history: fields.flag(7),
    batchMax: fields.count(8),
    paddingBytes: fields.count(9),
    evidence: fields.flag(10) ? 'keep' : 'none',
    erasers: fields.texts(11),
  };
}

function readConfirmers(fields: RosterFields): Confirmers {
  if (fields.isList(4)) return fields.texts(4);
  const word = WORDS[fields.count(4)];
  if (word === undefined) throw malformed('nobody knows who confirms');
  return word;
}

function readRevocation(item: CborValue): Revocation {
  const fields = new RosterFields(item, 3);
  return {
    id: fields.bytes(0, 32),
    timeS: fields.count(1),
    sinceIndex: fields.orNull(2, () => fields.count(2)),
  };
}

function checkSize(bytes: number): void {
  if (bytes <= ROSTER_BYTES_MAX) return;
  throw new SealwireError('too-large', `A roster of ${bytes} bytes is over the bound of ${ROSTER_BYTES_MAX}.`, {
    hint: 'Name fleets by their authority and a pattern instead of each device by its key.',
  });
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a roster: ${why}.`);
}
