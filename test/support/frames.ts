import { p256 } from '@noble/curves/nist.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '../../src/core/bytes.ts';
import { type CborValue, encodeCbor, SIGN1_TAG, Tagged } from '../../src/core/cbor.ts';
import { mac0Tag, sign1ToBeSigned } from '../../src/core/cose.ts';
import { toLowS } from '../../src/core/crypto/es256.ts';
import { nobleCrypto } from '../../src/core/crypto/noble.ts';
import { encodeMessage } from '../../src/core/frame/body.ts';
import { isOpenKind } from '../../src/core/frame/label.ts';
import type { LabelPlan } from '../../src/core/frame/seal.ts';
import { identityId, idToTopic } from '../../src/core/identity/id.ts';
import { KIND, type Kind } from '../../src/core/kinds.ts';
import { encryptionKeyOf, macKeyOf, messageKeyOf, nextChainKey } from '../../src/core/ratchet/keys.ts';
import type { RatchetPosition } from '../../src/core/ratchet/sending.ts';

/** A fixed key with its id. */
export interface FramePerson {
  readonly secret: Uint8Array;
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly id: Uint8Array;
}

function framePerson(number: number): FramePerson {
  const secret = new Uint8Array(32).fill(number);
  const publicKey = p256.getPublicKey(secret, false);
  return { secret, publicKey, id: identityId(nobleCrypto, publicKey) };
}

/** Who sends in all fixed frames. */
export const SENDER: FramePerson = framePerson(0x11);
/** Who receives them. */
export const RECIPIENT: FramePerson = framePerson(0x22);
/** 2026-07-01, in seconds. */
export const ISSUED_AT_S = 1_782_864_000;

/** Where the sender's ratchet begins. */
export const START: RatchetPosition = {
  ratchetId: new Uint8Array(16).fill(0x52),
  seq: 0,
  chainKey: new Uint8Array(32).fill(0xc0),
};

/** What a label of a session says, for {@link SENDER} to {@link RECIPIENT}. */
export function planOf(kind: Kind = KIND.message, rest: Partial<LabelPlan> = {}): LabelPlan {
  return {
    kind,
    senderId: SENDER.id,
    rosterName: '',
    topic: idToTopic(RECIPIENT.id),
    expiresAtS: null,
    issuedAtS: ISSUED_AT_S,
    channel: null,
    roster: null,
    head: null,
    ...rest,
  };
}

/** Message `n` of the fixed stream, encoded. */
export function messageOf(n: number, text: string): Uint8Array {
  return encodeMessage({
    stream: new Uint8Array(8).fill(0x57),
    n,
    timeMs: ISSUED_AT_S * 1000,
    contentType: 0,
    payload: utf8ToBytes(text),
  });
}

/** ES256 as RFC 6979 has it, with low s: the same bytes each time. */
export function signAs({ secret }: FramePerson, toBeSigned: Uint8Array): Uint8Array {
  return toLowS(p256.sign(toBeSigned, secret));
}

/** (r, n − s): as valid as (r, s). */
export function withHighS(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${bytesToHex(signature.subarray(32))}`);
  const high = (p256.Point.Fn.ORDER - s).toString(16).padStart(64, '0');
  return concatBytes(signature.subarray(0, 32), hexToBytes(high));
}

/** What {@link forgeFrame} does otherwise than an honest sender; each step is built on what the ones before made of it. */
export interface Forgery {
  readonly kind?: Kind;
  readonly seq?: number;
  /** A body's plaintext, or an open kind's content. */
  readonly content?: Uint8Array;
  readonly header?: (header: Map<number, CborValue>) => void;
  readonly claims?: (claims: Map<number, CborValue>) => void;
  /** The elements of header parameter −65537. */
  readonly own?: (own: CborValue[]) => void;
  /** The protected header's bytes, instead of the map's encoding. */
  readonly protectedBytes?: (encoded: Uint8Array) => Uint8Array;
  /** Before the HMAC is taken. */
  readonly body?: (body: Uint8Array) => Uint8Array;
  readonly mac0?: (fields: CborValue[]) => void;
  readonly signature?: (signature: Uint8Array) => Uint8Array;
  readonly signer?: FramePerson;
  /** The COSE_Sign1's elements. */
  readonly label?: (fields: CborValue[]) => void;
  readonly tag?: number;
  readonly frame?: (fields: CborValue[]) => void;
}

/**
 * A frame of {@link SENDER} at `seq`, wrong in what `forgery` says and right in all else: HMAC and signature are made
 * over what was altered before them. Written with the general encoder, apart from the code that seals.
 */
export function forgeFrame(forgery: Forgery = {}): Uint8Array {
  const { kind = KIND.message, seq = 0, content = messageOf(0, '21.5 °C'), signer = SENDER } = forgery;
  const protectedBytes = forgedHeader(kind, seq, forgery);
  const { encryptionKey, macKey } = frameKeysOf(seq, protectedBytes);
  const sealed = isOpenKind(kind) ? new Uint8Array(0) : nobleCrypto.aes256Ctr(encryptionKey, content);
  const body = forgery.body?.(sealed) ?? sealed;
  const payload = isOpenKind(kind) ? content : nobleCrypto.sha256(body);
  const mac0: CborValue[] = [
    encodeCbor(new Map([[1, 5]])),
    new Map(),
    payload,
    mac0Tag(nobleCrypto, macKey, payload, protectedBytes),
  ];
  forgery.mac0?.(mac0);
  const signedPayload = encodeCbor(mac0);
  const signature = signAs(signer, sign1ToBeSigned(protectedBytes, signedPayload));
  const label: CborValue[] = [protectedBytes, new Map(), signedPayload, forgery.signature?.(signature) ?? signature];
  forgery.label?.(label);
  const frame: CborValue[] = [new Tagged(forgery.tag ?? SIGN1_TAG, label), body];
  forgery.frame?.(frame);
  return encodeCbor(frame);
}

/** The keys of the frame at `seq` of {@link START}'s ratchet, for a header of these bytes. */
export function frameKeysOf(
  seq: number,
  protectedBytes: Uint8Array,
): {
  readonly messageKey: Uint8Array;
  readonly headerHash: Uint8Array;
  readonly encryptionKey: Uint8Array;
  readonly macKey: Uint8Array;
} {
  let chainKey = START.chainKey;
  for (let at = 0; at < Math.min(seq, 5000); at++) chainKey = nextChainKey(nobleCrypto, chainKey);
  const messageKey = messageKeyOf(nobleCrypto, chainKey);
  const headerHash = nobleCrypto.sha256(protectedBytes);
  return {
    messageKey,
    headerHash,
    encryptionKey: encryptionKeyOf(nobleCrypto, messageKey, headerHash),
    macKey: macKeyOf(nobleCrypto, messageKey, headerHash),
  };
}

function forgedHeader(kind: Kind, seq: number, forgery: Forgery): Uint8Array {
  const claims = new Map<number, CborValue>([
    [1, ''],
    [2, idToTopic(RECIPIENT.id)],
    [6, ISSUED_AT_S],
    [7, nobleCrypto.sha256(concatBytes(utf8ToBytes('token'), Uint8Array.of(kind))).subarray(0, 16)],
  ]);
  forgery.claims?.(claims);
  const own: CborValue[] = [kind, 1, null, START.ratchetId, seq, null, null];
  forgery.own?.(own);
  const header = new Map<number, CborValue>([
    [1, -7],
    [3, 17],
    [4, SENDER.id],
    [15, claims],
    [-65537, own],
  ]);
  forgery.header?.(header);
  const encoded = encodeCbor(header);
  return forgery.protectedBytes?.(encoded) ?? encoded;
}
