import { type CborMap, SIGN1_TAG } from '../cbor.ts';
import { CborReader } from '../cbor-reader.ts';
import { CborWriter } from '../cbor-writer.ts';
import { COSE, decodeMac0, encodeMac0, encodeSign1, type Mac0, sign1ToBeSigned } from '../cose.ts';
import { isLowS, SIGNATURE_BYTES } from '../crypto/es256.ts';
import { SealwireError } from '../errors.ts';
import { KIND, type Kind } from '../kinds.ts';
import { LABEL_BYTES_MAX, PROTOCOL_VERSION } from '../limits.ts';

/** CoAP Content-Format of an untagged COSE_Mac0 (RFC 9052, section 11.2): what a label's payload is. */
const CONTENT_TYPE_MAC0 = 17;
/** CWT claims (RFC 8392, section 3.1) that a label makes about itself. */
const CLAIM = { issuer: 1, subject: 2, expires: 4, issuedAt: 6, tokenId: 7 } as const;

const NOTHING: CborMap = new Map();
const HEADER_BYTES_EXPECTED = 320;

const ID_BYTES = 32;
const RATCHET_ID_BYTES = 16;
const TOKEN_ID_BYTES = 16;
const ROSTER_HASH_BYTES = 16;
const ROOT_BYTES = 32;
const TEXT_BYTES_MAX = 512;

const FRAME_KINDS: ReadonlySet<number> = new Set(Object.values(KIND).filter((kind) => kind < KIND.policy));
const OPEN_KINDS: ReadonlySet<number> = new Set([KIND.end, KIND.deliveryReceipt]);

/** True for the kinds whose content stands readable in the label, for the ledger's sake; their frames have no body. */
export function isOpenKind(kind: number): boolean {
  return OPEN_KINDS.has(kind);
}

/** The newest ledger head that a sender had verified when it made a label. */
export interface HeadClaim {
  readonly treeSize: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** What a label says under its signature. */
export interface LabelHeader {
  readonly kind: Kind;
  /** 32 bytes: SHA-256 of the sender's SPKI. */
  readonly senderId: Uint8Array;
  /** Empty where the peers share no roster. */
  readonly rosterName: string;
  /** An application topic as it is on the wire of MQTT; in a session the recipient's id in base64url. */
  readonly topic: string;
  /** Seconds since 1970 after which the content is not to be delivered. */
  readonly expiresAtS: number | null;
  /** Seconds since 1970, the sender's word. */
  readonly issuedAtS: number;
  /** 16 random bytes, so that no two labels ever share keys. */
  readonly tokenId: Uint8Array;
  /** Null in a session. */
  readonly channel: string | null;
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  readonly seq: number;
  readonly roster: { readonly version: number /** 16 bytes. */; readonly hash: Uint8Array } | null;
  readonly head: HeadClaim | null;
}

/** A label as it was read: not believed before its signature is checked over `toBeVerified`. */
export interface Label extends LabelHeader {
  /** The whole encoded COSE_Sign1: what the ledger keeps. */
  readonly bytes: Uint8Array;
  readonly protectedBytes: Uint8Array;
  /** The Mac0's payload: SHA-256 of the body, or the content itself for an open kind. */
  readonly content: Uint8Array;
  /** The HMAC, 32 bytes. */
  readonly mac: Uint8Array;
  readonly signature: Uint8Array;
  readonly toBeVerified: Uint8Array;
}

const ENCODED = /[%:]/;

/** Percent-encodes `%` and `:`, so that a topic is a plain string and no URI (RFC 8392, section 2: StringOrURI). */
function topicToSubject(topic: string): string {
  if (!ENCODED.test(topic)) return topic;
  return topic.replaceAll('%', '%25').replaceAll(':', '%3A');
}

function subjectToTopic(subject: string): string {
  if (!ENCODED.test(subject)) return subject;
  const topic = subject.replaceAll('%3A', ':').replaceAll('%25', '%');
  if (topicToSubject(topic) !== subject) throw malformed('its topic is not percent-encoded as it has to be');
  return topic;
}

/** The protected header of a label: the bytes that signature, HMAC and key derivation are all bound to. */
export function encodeLabelHeader(header: LabelHeader): Uint8Array {
  const writer = CborWriter.shortLived(HEADER_BYTES_EXPECTED).map(5);
  writer.int(COSE.alg).int(COSE.algEs256);
  writer.int(COSE.contentType).int(CONTENT_TYPE_MAC0);
  writer.int(COSE.keyId).bytes(header.senderId);
  writeClaims(writer.int(COSE.cwtClaims), header);
  writeOwnHeader(writer.int(COSE.sealwire), header);
  return writer.finish();
}

function writeClaims(writer: CborWriter, header: LabelHeader): void {
  writer.map(header.expiresAtS === null ? 4 : 5);
  writer.int(CLAIM.issuer).text(header.rosterName);
  writer.int(CLAIM.subject).text(topicToSubject(header.topic));
  if (header.expiresAtS !== null) writer.int(CLAIM.expires).int(header.expiresAtS);
  writer.int(CLAIM.issuedAt).int(header.issuedAtS);
  writer.int(CLAIM.tokenId).bytes(header.tokenId);
}

function writeOwnHeader(writer: CborWriter, { kind, channel, ratchetId, seq, roster, head }: LabelHeader): void {
  writer.array(7).int(kind).int(PROTOCOL_VERSION);
  if (channel === null) writer.null();
  else writer.text(channel);
  writer.bytes(ratchetId).int(seq);
  if (roster === null) writer.null();
  else writer.array(2).int(roster.version).bytes(roster.hash);
  if (head === null) writer.null();
  else writer.array(2).int(head.treeSize).bytes(head.root);
}

/** A label that only lacks its signature. */
export interface LabelDraft {
  /** The label's Sig_structure over header and Mac0: sign it with ES256. */
  readonly toBeSigned: Uint8Array;
  /** The finished label; `signature` is taken as it is. */
  finish(signature: Uint8Array): Uint8Array;
}

/** Puts header and Mac0 together. */
export function draftLabel(protectedBytes: Uint8Array, mac0: Mac0): LabelDraft {
  const payload = encodeMac0(mac0);
  return {
    toBeSigned: sign1ToBeSigned(protectedBytes, payload),
    finish: (signature) => encodeSign1({ protectedBytes, unprotected: NOTHING, payload, signature }),
  };
}

/**
 * Decodes a label strictly; throws `malformed`, `too-large`, `unsupported` or `signature-invalid` (high s). Neither
 * signature nor HMAC is checked.
 */
export function decodeLabel(bytes: Uint8Array): Label {
  checkSize(bytes);
  const reader = new CborReader(bytes);
  const label = readLabel(reader, bytes);
  reader.end();
  return label;
}

// In a frame too: what opens can be logged.
function checkSize(bytes: Uint8Array): void {
  if (bytes.length <= LABEL_BYTES_MAX) return;
  throw new SealwireError('too-large', `A label of ${bytes.length} bytes is over the bound of ${LABEL_BYTES_MAX}.`);
}

/** As {@link decodeLabel}, for a label that comes next in `data`, which `reader` reads. */
export function readLabel(reader: CborReader, data: Uint8Array): Label {
  const start = reader.at;
  if (reader.tag() !== SIGN1_TAG || reader.array() !== 4) throw malformed('it is no tagged COSE_Sign1');
  const protectedBytes = reader.bytes();
  if (reader.map() !== 0) throw malformed('something in it is outside the signature');
  const payload = reader.bytes();
  const signature = reader.bytes();
  const bytes = data.subarray(start, reader.at);
  checkSize(bytes);
  // One of the two valid signatures (r, s) and (r, n−s) is refused, so that a label has one form only.
  if (signature.length !== SIGNATURE_BYTES || !isLowS(signature)) {
    throw new SealwireError('signature-invalid', "A label's signature is not ES256 with low s.");
  }
  const mac0 = decodeMac0(payload);
  return {
    ...readLabelHeader(protectedBytes),
    bytes,
    protectedBytes,
    content: mac0.payload,
    mac: mac0.tag,
    signature,
    toBeVerified: sign1ToBeSigned(protectedBytes, payload),
  };
}

/** Decodes the protected header of a label; throws `malformed` or `unsupported`. */
export function readLabelHeader(protectedBytes: Uint8Array): LabelHeader {
  const reader = new CborReader(protectedBytes);
  if (reader.map() !== 5) throw malformed('its header has not five parameters');
  if (reader.key(COSE.alg).int() !== COSE.algEs256) throw malformed('it is not signed with ES256');
  if (reader.key(COSE.contentType).int() !== CONTENT_TYPE_MAC0) throw malformed('its payload is no Mac0');
  const senderId = reader.key(COSE.keyId).bytes(ID_BYTES);
  const claims = readClaims(reader.key(COSE.cwtClaims));
  const own = readOwnHeader(reader.key(COSE.sealwire));
  reader.end();
  return { senderId, ...claims, ...own };
}

function readClaims(
  reader: CborReader,
): Pick<LabelHeader, 'rosterName' | 'topic' | 'expiresAtS' | 'issuedAtS' | 'tokenId'> {
  const claims = reader.map();
  if (claims !== 4 && claims !== 5) throw malformed('it makes claims that labels do not have');
  return {
    rosterName: reader.key(CLAIM.issuer).text(TEXT_BYTES_MAX),
    topic: subjectToTopic(reader.key(CLAIM.subject).text(TEXT_BYTES_MAX)),
    expiresAtS: claims === 5 ? reader.key(CLAIM.expires).uint() : null,
    issuedAtS: reader.key(CLAIM.issuedAt).uint(),
    tokenId: reader.key(CLAIM.tokenId).bytes(TOKEN_ID_BYTES),
  };
}

function readOwnHeader(
  reader: CborReader,
): Pick<LabelHeader, 'kind' | 'channel' | 'ratchetId' | 'seq' | 'roster' | 'head'> {
  const elements = reader.array();
  const kind = reader.uint();
  const version = reader.uint();
  if (version !== PROTOCOL_VERSION) {
    throw new SealwireError('unsupported', `A label of protocol version ${version}; this speaks ${PROTOCOL_VERSION}.`);
  }
  if (elements !== 7) throw malformed('parameter −65537 has not seven elements');
  return {
    kind: checkKind(kind),
    channel: reader.isNull() ? null : reader.text(TEXT_BYTES_MAX),
    ratchetId: reader.bytes(RATCHET_ID_BYTES),
    seq: reader.uint(),
    roster: reader.isNull() ? null : readRoster(reader),
    head: reader.isNull() ? null : readHead(reader),
  };
}

function checkKind(kind: number): Kind {
  if (!FRAME_KINDS.has(kind)) throw malformed(`kind ${kind} is none that labels have`);
  return kind as Kind;
}

function readRoster(reader: CborReader): LabelHeader['roster'] {
  if (reader.array() !== 2) throw malformed('its roster is not a pair');
  return { version: reader.uint(), hash: reader.bytes(ROSTER_HASH_BYTES) };
}

function readHead(reader: CborReader): HeadClaim {
  if (reader.array() !== 2) throw malformed('its head is not a pair');
  return { treeSize: reader.uint(), root: reader.bytes(ROOT_BYTES) };
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a label: ${why}.`);
}
