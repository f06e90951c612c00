import { bytesToHex, utf8ToBytes } from '../../src/core/bytes.ts';
import { nobleCrypto } from '../../src/core/crypto/noble.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { type BodyMessage, encodeMessage, joinBody } from '../../src/core/frame/body.ts';
import { encodeRatchetEnd } from '../../src/core/frame/end.ts';
import { readFrame } from '../../src/core/frame/frame.ts';
import { encodeDeliveryReceipt, hashLabels, type SeqRange } from '../../src/core/frame/receipt.ts';
import { draftFrame, type LabelPlan } from '../../src/core/frame/seal.ts';
import { KIND } from '../../src/core/kinds.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import { encryptionKeyOf, macKeyOf, messageKeyOf, nextChainKey } from '../../src/core/ratchet/keys.ts';
import { type RatchetPosition, SendingRatchet } from '../../src/core/ratchet/sending.ts';
import { type FramePerson, ISSUED_AT_S, planOf, RECIPIENT, SENDER, START, signAs } from '../../test/support/frames.ts';
import { refusedFrames } from './refused-frames.ts';

/** Somebody in the vectors; all values hex. */
export interface VectorPerson {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly id: string;
}

/** One place of the ratchet; hex. */
export interface RatchetVector {
  readonly seq: number;
  readonly chainKey: string;
  readonly messageKey: string;
}

/** What a label says; byte strings hex. */
export interface HeaderVector {
  readonly kind: number;
  readonly senderId: string;
  readonly rosterName: string;
  readonly topic: string;
  readonly expiresAtS: number | null;
  readonly issuedAtS: number;
  readonly tokenId: string;
  readonly channel: string | null;
  readonly ratchetId: string;
  readonly seq: number;
  readonly roster: { readonly version: number; readonly hash: string } | null;
  readonly head: { readonly treeSize: number; readonly root: string } | null;
}

/** A message in a body; byte strings hex. */
export interface MessageVector {
  readonly stream: string;
  readonly n: number;
  readonly timeMs: number;
  readonly contentType: number | string;
  readonly payload: string;
}

/** A frame that opens, with every value on the way; byte strings hex. */
export interface FrameVector {
  readonly name: string;
  readonly header: HeaderVector;
  readonly protectedBytes: string;
  readonly headerHash: string;
  readonly messageKey: string;
  readonly encryptionKey: string;
  readonly macKey: string;
  /** Null for open kinds. */
  readonly messages: readonly MessageVector[] | null;
  readonly paddingBytes: number;
  /** The body's plaintext, or an open kind's content. */
  readonly content: string;
  readonly body: string;
  /** The Mac0's payload. */
  readonly payload: string;
  readonly mac: string;
  readonly toBeSigned: string;
  readonly signature: string;
  /** RFC 6962 leaf hash of the label. */
  readonly leafHash: string;
  readonly frame: string;
}

/** A frame that must be refused, sent to the recipient in a session that begins at the ratchet's start. */
export interface RefusedFrame {
  readonly what: string;
  readonly code: string;
  /** Frames that were opened before: names of those above, or hex. */
  readonly after: readonly string[];
  readonly frame: string;
}

/** The content of vectors/3-frames.json. */
export interface FrameVectors {
  readonly sender: VectorPerson;
  readonly recipient: VectorPerson;
  readonly ratchetId: string;
  readonly ratchet: readonly RatchetVector[];
  readonly frames: readonly FrameVector[];
  readonly refused: readonly RefusedFrame[];
}

const TIME_MS = ISSUED_AT_S * 1000;
const RATCHET_VECTORS = 5;

/** What a frame of the vectors is made from. */
export interface FramePlan {
  readonly name: string;
  readonly plan: LabelPlan;
  readonly messages?: readonly BodyMessage[];
  readonly paddingBytes?: number;
  readonly content?: Uint8Array;
  /** Keys that are taken before and never used. */
  readonly skips?: number;
  /** With a ratchet of its own, which begins at the same place. */
  readonly apart?: boolean;
}

/** Draws what `random` gives from a fixed sequence, one for each chapter: SHA-256 of the draw's number. */
export function withFixedRandom(crypto: Crypto, chapter: number): Crypto {
  let draws = 0;
  return {
    ...crypto,
    random(length) {
      draws += 1;
      return crypto.sha256(utf8ToBytes(`sealwire/1 vectors ${chapter} ${draws}`)).slice(0, length);
    },
  };
}

function message(n: number, payload: string, rest: Partial<BodyMessage> = {}): BodyMessage {
  const stream = new Uint8Array(8).fill(0x57);
  return { stream, n, timeMs: TIME_MS + n, contentType: 0, payload: utf8ToBytes(payload), ...rest };
}

/** Labels that nobody made: only their leaf hashes count in a delivery receipt. */
const CONFIRMED_LEAVES: readonly Uint8Array[] = [1, 2, 3, 4].map((n) => new Uint8Array(32).fill(n));

function receiptOver(ranges: readonly SeqRange[], leaves: readonly Uint8Array[]): Uint8Array {
  return encodeDeliveryReceipt({
    senderId: RECIPIENT.id,
    ratchetId: new Uint8Array(16).fill(0x72),
    ranges,
    labelsHash: hashLabels(nobleCrypto, leaves),
  });
}

const PLANS: readonly FramePlan[] = [
  { name: 'one message', plan: planOf(), messages: [message(0, '21.5 °C')] },
  {
    name: 'a batch of three',
    plan: planOf(),
    messages: [
      message(1, '21.6 °C'),
      message(2, '', { contentType: 42 }),
      message(3, '{"rpm":1480}', { contentType: 'application/json' }),
    ],
  },
  {
    name: 'an expiry and a head',
    plan: planOf(KIND.message, {
      expiresAtS: ISSUED_AT_S + 60,
      head: { treeSize: 1234, root: new Uint8Array(32).fill(0x68) },
    }),
    messages: [message(4, 'open the valve')],
  },
  { name: 'padding', plan: planOf(), messages: [message(5, 'padded')], paddingBytes: 200 },
  {
    name: 'padding of a size that takes two byte strings',
    plan: planOf(),
    messages: [message(6, 'padded')],
    paddingBytes: 25,
  },
  { name: 'after three skipped frames', plan: planOf(), messages: [message(10, 'later')], skips: 3 },
  {
    name: 'a delivery receipt',
    plan: planOf(KIND.deliveryReceipt),
    content: receiptOver(
      [
        [0, 2],
        [4, 4],
      ],
      CONFIRMED_LEAVES,
    ),
  },
  {
    name: 'in a channel, under a roster, a topic with % and :',
    plan: planOf(KIND.message, {
      rosterName: 'plant',
      topic: 'plant/line:4/valve 50%',
      channel: 'line4',
      roster: { version: 3, hash: new Uint8Array(16).fill(0x6f) },
    }),
    messages: [message(0, 'to many')],
    apart: true,
  },
  {
    name: 'the end, with three voids',
    plan: planOf(KIND.end),
    content: encodeRatchetEnd({ finalSeq: 10, messages: 11, voids: [5, 6, 7] }),
  },
  {
    name: 'a delivery receipt after the end',
    plan: planOf(KIND.deliveryReceipt),
    content: receiptOver([[5, 5]], CONFIRMED_LEAVES.slice(0, 1)),
  },
];

/** Everything for `crypto`, which gives the same for either implementation. */
export function generateWith(crypto: Crypto): FrameVectors {
  const fixed = withFixedRandom(crypto, 3);
  const ratchet = new SendingRatchet(fixed, START);
  const frames = PLANS.map((plan) =>
    frameVector(fixed, plan.apart ? new SendingRatchet(fixed, START) : ratchet, START, plan),
  );
  return {
    sender: personVector(SENDER),
    recipient: personVector(RECIPIENT),
    ratchetId: bytesToHex(START.ratchetId),
    ratchet: ratchetVectors(crypto, START.chainKey),
    frames,
    refused: refusedFrames(frames),
  };
}

/** What vectors/3-frames.json holds. */
export function generate(): FrameVectors {
  return generateWith(nobleCrypto);
}

/** Somebody as the vectors show it. */
export function personVector({ secret, publicKey, id }: FramePerson): VectorPerson {
  return { privateKey: bytesToHex(secret), publicKey: bytesToHex(publicKey), id: bytesToHex(id) };
}

/** The first places of the ratchet that begins with this key. */
export function ratchetVectors(crypto: Crypto, firstChainKey: Uint8Array): RatchetVector[] {
  const vectors: RatchetVector[] = [];
  let chainKey = firstChainKey;
  for (let seq = 0; seq < RATCHET_VECTORS; seq++) {
    const messageKey = messageKeyOf(crypto, chainKey);
    vectors.push({ seq, chainKey: bytesToHex(chainKey), messageKey: bytesToHex(messageKey) });
    chainKey = nextChainKey(crypto, chainKey);
  }
  return vectors;
}

/** The key of the frame at `seq`, found the long way. */
function keyAt(crypto: Crypto, start: RatchetPosition, seq: number): Uint8Array {
  let { chainKey } = start;
  for (let at = 0; at < seq; at++) chainKey = nextChainKey(crypto, chainKey);
  return messageKeyOf(crypto, chainKey);
}

/** Seals a frame with `ratchet`, which began at `start`, and shows every value on the way. */
export function frameVector(
  crypto: Crypto,
  ratchet: SendingRatchet,
  start: RatchetPosition,
  given: FramePlan,
): FrameVector {
  const { name, plan, messages = null, paddingBytes = 0, skips = 0 } = given;
  for (let i = 0; i < skips; i++) ratchet.take();
  const content = messages ? joinBody(messages.map(encodeMessage), paddingBytes) : (given.content ?? new Uint8Array(0));
  const draft = draftFrame(crypto, ratchet, plan, content);
  const sealed = draft.finish(signAs(SENDER, draft.toBeSigned));
  const { label, body } = readFrame(sealed.bytes);
  const messageKey = keyAt(crypto, start, label.seq);
  const headerHash = crypto.sha256(label.protectedBytes);
  return {
    name,
    header: {
      kind: label.kind,
      senderId: bytesToHex(label.senderId),
      rosterName: label.rosterName,
      topic: label.topic,
      expiresAtS: label.expiresAtS,
      issuedAtS: label.issuedAtS,
      tokenId: bytesToHex(label.tokenId),
      channel: label.channel,
      ratchetId: bytesToHex(label.ratchetId),
      seq: label.seq,
      roster: label.roster && { version: label.roster.version, hash: bytesToHex(label.roster.hash) },
      head: label.head && { treeSize: label.head.treeSize, root: bytesToHex(label.head.root) },
    },
    protectedBytes: bytesToHex(label.protectedBytes),
    headerHash: bytesToHex(headerHash),
    messageKey: bytesToHex(messageKey),
    encryptionKey: bytesToHex(encryptionKeyOf(crypto, messageKey, headerHash)),
    macKey: bytesToHex(macKeyOf(crypto, messageKey, headerHash)),
    messages: messages?.map(messageVector) ?? null,
    paddingBytes,
    content: bytesToHex(content),
    body: bytesToHex(body),
    payload: bytesToHex(label.content),
    mac: bytesToHex(label.mac),
    toBeSigned: bytesToHex(label.toBeVerified),
    signature: bytesToHex(label.signature),
    leafHash: bytesToHex(new TreeHasher(crypto).leaf(label.bytes)),
    frame: bytesToHex(sealed.bytes),
  };
}

function messageVector({ stream, payload, ...rest }: BodyMessage): MessageVector {
  const { n, timeMs, contentType } = rest;
  return { stream: bytesToHex(stream), n, timeMs, contentType, payload: bytesToHex(payload) };
}
