import { utf8ToBytes } from '../bytes.ts';
import { type CborMap, type CborValue, decodeCbor } from '../cbor.ts';
import { CborWriter } from '../cbor-writer.ts';
import {
  COSE,
  decodeMac0,
  decodeProtected,
  encodeMac0,
  encodeSign1,
  type Mac0,
  sign1ToBeSigned,
  toSign1,
} from '../cose.ts';
import { isLowS, SIGNATURE_BYTES } from '../crypto/es256.ts';
import { SealwireError } from '../errors.ts';
import { KIND, type Kind } from '../kinds.ts';
import { LABEL_BYTES_MAX, PROTOCOL_VERSION } from '../limits.ts';

/** CoAP Content-Format of an untagged COSE_Mac0 (RFC 9052, section 11.2): what a label's payload is. */
const CONTENT_TYPE_MAC0 = 17;
/** CWT claims (RFC 8392, section 3.1) that a label makes about itself. */
const CLAIM = { issuer: 1, subject: 2, expires: 4, issuedAt: 6, tokenId: 7 } as const;

const ID_BYTES = 32;
const RATCHET_ID_BYTES = 16;
const TOKEN_ID_BYTES = 16;
const ROSTER_HASH_BYTES = 16;
const ROOT_BYTES = 32;
const TEXT_BYTES_MAX = 512;
/** Bytes of UTF-8 that one UTF-16 unit takes at most. */
const UTF8_GROWTH_MAX = 3;

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

/** Percent-encodes `%` and `:`, so that a topic is a plain string and no URI (RFC 8392, section 2: StringOrURI). */
function topicToSubject(topic: string): string {
  return topic.replaceAll('%', '%25').replaceAll(':', '%3A');
}

function subjectToTopic(subject: string): string {
  const topic = subject.replaceAll('%3A', ':').replaceAll('%25', '%');
  if (topicToSubject(topic) !== subject) throw malformed('its topic is not percent-encoded as it has to be');
  return topic;
}

/** The protected header of a label: the bytes that signature, HMAC and key derivation are all bound to. */
export function encodeLabelHeader(header: LabelHeader): Uint8Array {
  const writer = new CborWriter().map(5);
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

/** What the sender signs: the label's Sig_structure over header and Mac0. */
export function labelToBeSigned(protectedBytes: Uint8Array, mac0: Mac0): Uint8Array {
  return sign1ToBeSigned(protectedBytes, encodeMac0(mac0));
}

/** The finished label. `signature` is ES256 with low s. */
export function encodeLabel(protectedBytes: Uint8Array, mac0: Mac0, signature: Uint8Array): Uint8Array {
  return encodeSign1({ protectedBytes, unprotected: new Map(), payload: encodeMac0(mac0), signature });
}

/** Decodes a label strictly; throws `malformed`, `too-large` or `unsupported`. Its signature and HMAC are not checked. */
export function decodeLabel(bytes: Uint8Array): Label {
  return labelFromItem(decodeCbor(bytes, { bytesMax: LABEL_BYTES_MAX }), bytes);
}

/** As {@link decodeLabel}, for an item that was decoded as part of a frame; `bytes` are the item's own. */
export function labelFromItem(item: CborValue, bytes: Uint8Array): Label {
  // In a frame too: what opens can be logged.
  if (bytes.length > LABEL_BYTES_MAX) {
    throw new SealwireError('too-large', `A label of ${bytes.length} bytes is over the bound of ${LABEL_BYTES_MAX}.`);
  }
  const { protectedBytes, unprotected, payload, signature } = toSign1(item);
  if (unprotected.size !== 0) throw malformed('something in it is outside the signature');
  if (payload === null) throw malformed('its payload is detached');
  // One of the two valid signatures (r, s) and (r, n−s) is refused, so that a label has one form only.
  if (signature.length !== SIGNATURE_BYTES || !isLowS(signature)) {
    throw new SealwireError('signature-invalid', "A label's signature is not ES256 with low s.");
  }
  const mac0 = decodeMac0(payload);
  return {
    ...decodeLabelHeader(protectedBytes),
    bytes,
    protectedBytes,
    content: mac0.payload,
    mac: mac0.tag,
    signature,
    toBeVerified: sign1ToBeSigned(protectedBytes, payload),
  };
}

function decodeLabelHeader(protectedBytes: Uint8Array): LabelHeader {
  const header = decodeProtected(protectedBytes);
  if (
    header.size !== 5 ||
    header.get(COSE.alg) !== COSE.algEs256 ||
    header.get(COSE.contentType) !== CONTENT_TYPE_MAC0
  ) {
    throw malformed('its header is not that of an ES256-signed Mac0');
  }
  return {
    senderId: bytesOf(header.get(COSE.keyId), ID_BYTES, 'sender'),
    ...decodeClaims(header.get(COSE.cwtClaims)),
    ...decodeOwnHeader(header.get(COSE.sealwire)),
  };
}

function decodeClaims(
  item: CborValue | undefined,
): Pick<LabelHeader, 'rosterName' | 'topic' | 'expiresAtS' | 'issuedAtS' | 'tokenId'> {
  if (!(item instanceof Map)) throw malformed('its claims are missing');
  const claims: CborMap = item;
  const expires = claims.get(CLAIM.expires);
  if (claims.size !== (expires === undefined ? 4 : 5)) throw malformed('it makes claims that labels do not have');
  return {
    rosterName: textOf(claims.get(CLAIM.issuer), 'roster name'),
    topic: subjectToTopic(textOf(claims.get(CLAIM.subject), 'topic')),
    expiresAtS: expires === undefined ? null : countOf(expires, 'expiry'),
    issuedAtS: countOf(claims.get(CLAIM.issuedAt), 'time'),
    tokenId: bytesOf(claims.get(CLAIM.tokenId), TOKEN_ID_BYTES, 'token id'),
  };
}

function decodeOwnHeader(
  item: CborValue | undefined,
): Pick<LabelHeader, 'kind' | 'channel' | 'ratchetId' | 'seq' | 'roster' | 'head'> {
  if (!Array.isArray(item)) throw malformed('parameter −65537 is missing');
  const [kind, version, channel, ratchetId, seq, roster, head] = item as CborValue[];
  if (version !== PROTOCOL_VERSION) {
    throw new SealwireError(
      'unsupported',
      `A label of protocol version ${String(version)}; this speaks ${PROTOCOL_VERSION}.`,
    );
  }
  if (item.length !== 7) throw malformed('parameter −65537 has not seven elements');
  return {
    kind: kindOf(kind),
    channel: channel === null ? null : textOf(channel, 'channel'),
    ratchetId: bytesOf(ratchetId, RATCHET_ID_BYTES, 'ratchet id'),
    seq: countOf(seq, 'seq'),
    roster: rosterOf(roster),
    head: headOf(head),
  };
}

function kindOf(item: CborValue | undefined): Kind {
  if (typeof item !== 'number' || !FRAME_KINDS.has(item))
    throw malformed(`kind ${String(item)} is none that labels have`);
  return item as Kind;
}

function rosterOf(item: CborValue | undefined): LabelHeader['roster'] {
  if (item === null) return null;
  const [version, hash] = pairOf(item, 'roster');
  return { version: countOf(version, 'roster version'), hash: bytesOf(hash, ROSTER_HASH_BYTES, 'roster hash') };
}

function headOf(item: CborValue | undefined): HeadClaim | null {
  if (item === null) return null;
  const [treeSize, root] = pairOf(item, 'head');
  return { treeSize: countOf(treeSize, 'tree size'), root: bytesOf(root, ROOT_BYTES, 'root') };
}

function pairOf(item: CborValue | undefined, what: string): [CborValue | undefined, CborValue | undefined] {
  if (!Array.isArray(item) || item.length !== 2) throw malformed(`its ${what} is not a pair`);
  return [item[0], item[1]];
}

function bytesOf(item: CborValue | undefined, length: number, what: string): Uint8Array {
  if (!(item instanceof Uint8Array) || item.length !== length) throw malformed(`its ${what} is not ${length} bytes`);
  return item;
}

function textOf(item: CborValue | undefined, what: string): string {
  if (typeof item !== 'string' || isLong(item)) throw malformed(`its ${what} is not a short text`);
  return item;
}

function isLong(text: string): boolean {
  return text.length * UTF8_GROWTH_MAX > TEXT_BYTES_MAX && utf8ToBytes(text).length > TEXT_BYTES_MAX;
}

function countOf(item: CborValue | undefined, what: string): number {
  if (typeof item !== 'number' || item < 0) throw malformed(`its ${what} is not a whole number`);
  return item;
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a label: ${why}.`);
}
