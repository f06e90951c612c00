import { bytesToHex, utf8ToBytes } from '../../src/core/bytes.ts';
import { type CborValue, encodeCbor } from '../../src/core/cbor.ts';
import { encodeGrant } from '../../src/core/channel/grant.ts';
import { encodeGrantAck } from '../../src/core/channel/grant-ack.ts';
import { encodeGrantRequest } from '../../src/core/channel/grant-request.ts';
import { WriterRatchet } from '../../src/core/channel/writer-ratchet.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { SKIP_MAX } from '../../src/core/limits.ts';
import type { RatchetPosition } from '../../src/core/ratchet/sending.ts';
import { ISSUED_AT_S, planOf, RECIPIENT, SENDER } from '../../test/support/frames.ts';
import {
  type FrameVector,
  frameVector,
  personVector,
  type RatchetVector,
  ratchetVectors,
  type VectorPerson,
  withFixedRandom,
} from './frames.ts';

/** A reader's grant; byte strings hex. */
export interface GrantVector {
  readonly what: string;
  readonly seq: number;
  readonly n: number;
  readonly chainKey: string;
  readonly grant: string;
  readonly ack: string;
  /** Names of the frames that it opens. */
  readonly opens: readonly string[];
  /** Names of those before it, which are `replayed` for this reader. */
  readonly refuses: readonly string[];
}

/** Something that must be refused as `malformed`. */
export interface MalformedVector {
  readonly what: string;
  readonly structure: 'grant' | 'ack' | 'request';
  readonly bytes: string;
}

/** One writer's ratchet in a channel, and who is granted what of it; byte strings hex. */
export interface SenderKeyVectors {
  readonly writer: VectorPerson;
  readonly channel: string;
  readonly ratchetId: string;
  /** The writer's in this channel. */
  readonly stream: string;
  readonly ratchet: readonly RatchetVector[];
  readonly frames: readonly FrameVector[];
  readonly grants: readonly GrantVector[];
  readonly request: { readonly seq: number; readonly request: string };
  /** For a reader of the first grant that has opened nothing: the last seq that it steps to, and one that it does not. */
  readonly jumps: { readonly taken: number; readonly tooFar: number };
  readonly malformed: readonly MalformedVector[];
}

const CHANNEL = 'line4';
const STREAM = new Uint8Array(8).fill(0x57);
const FIRST_N = 3;
const NOW_MS = ISSUED_AT_S * 1000;
const LATECOMER = new Uint8Array(32).fill(0x6c);

/** Texts of the messages, frame by frame. */
const FRAMES: readonly { readonly name: string; readonly topic: string; readonly texts: readonly string[] }[] = [
  { name: 'one message', topic: 'plant/line-4/temperature', texts: ['21.5 °C'] },
  { name: 'two messages', topic: 'plant/line-4/temperature', texts: ['21.6 °C', '21.7 °C'] },
  { name: 'on another topic of the channel', topic: 'plant/line-4/pressure', texts: ['2.1 bar'] },
  { name: 'for the latecomer too', topic: 'plant/line-4/temperature', texts: ['21.8 °C'] },
];
/** The latecomer may read from this frame on. */
const LATE_SEQ = 2;

/** Draws and seals as a writer does: nothing is put in by hand but the identities, the texts and the times. */
export function senderKeyVectors(crypto: Crypto): SenderKeyVectors {
  const fixed = withFixedRandom(crypto, 4);
  const start = { channel: CHANNEL, stream: STREAM, n: FIRST_N, nowMs: NOW_MS, history: false };
  const ratchet = WriterRatchet.begin(fixed, start);
  const first = ratchet.sending.position();
  const frames: FrameVector[] = [];
  let n = FIRST_N;
  for (const [seq, { name, topic, texts }] of FRAMES.entries()) {
    if (seq === 0) ratchet.entitle(RECIPIENT.id, n);
    if (seq === LATE_SEQ) ratchet.entitle(LATECOMER, n);
    frames.push(sealFrame(fixed, ratchet, first, { name, topic, texts, n }));
    n += texts.length;
  }
  return {
    writer: personVector(SENDER),
    channel: CHANNEL,
    ratchetId: bytesToHex(ratchet.ratchetId),
    stream: bytesToHex(STREAM),
    ratchet: ratchetVectors(crypto, first.chainKey),
    frames,
    grants: [
      grantVector(ratchet, 'before the first frame', RECIPIENT.id),
      grantVector(ratchet, 'to a latecomer', LATECOMER),
    ],
    request: requestVector(ratchet),
    jumps: { taken: SKIP_MAX, tooFar: SKIP_MAX + 1 },
    malformed: malformedVectors(ratchet.ratchetId),
  };
}

function sealFrame(
  crypto: Crypto,
  ratchet: WriterRatchet,
  start: RatchetPosition,
  frame: { readonly name: string; readonly topic: string; readonly texts: readonly string[]; readonly n: number },
): FrameVector {
  const plan = planOf(undefined, {
    rosterName: 'plant',
    topic: frame.topic,
    channel: CHANNEL,
    roster: { version: 3, hash: new Uint8Array(16).fill(0x6f) },
  });
  const messages = frame.texts.map((text, at) => ({
    ...{ stream: STREAM, n: frame.n + at, timeMs: NOW_MS + frame.n + at, contentType: 0 },
    payload: utf8ToBytes(text),
  }));
  return frameVector(crypto, ratchet.sending, start, { name: frame.name, plan, messages });
}

function grantVector(ratchet: WriterRatchet, what: string, readerId: Uint8Array): GrantVector {
  const grant = ratchet.grantFor(readerId);
  if (!grant) throw new Error('the vectors’ readers are owed their grants');
  const { channel, ratchetId, seq, n, chainKey } = grant;
  return {
    ...{ what, seq, n, chainKey: bytesToHex(chainKey) },
    grant: bytesToHex(encodeGrant(grant)),
    ack: bytesToHex(encodeGrantAck({ channel, ratchetId, seq })),
    opens: FRAMES.slice(seq).map(({ name }) => name),
    refuses: FRAMES.slice(0, seq).map(({ name }) => name),
  };
}

function requestVector({ ratchetId }: WriterRatchet): SenderKeyVectors['request'] {
  const seq = 3;
  return { seq, request: bytesToHex(encodeGrantRequest({ channel: CHANNEL, ratchetId, seq })) };
}

function malformedVectors(ratchetId: Uint8Array): MalformedVector[] {
  const fields: readonly CborValue[] = [CHANNEL, ratchetId, 2, new Uint8Array(32).fill(0xcc), STREAM, 6];
  const wrong: readonly (readonly [what: string, structure: MalformedVector['structure'], value: CborValue])[] = [
    ['a grant of five elements', 'grant', fields.slice(0, 5)],
    ['a grant of seven elements', 'grant', [...fields, 0]],
    ['a channel without a name', 'grant', fields.with(0, '')],
    ['a channel’s name of 65 bytes', 'grant', fields.with(0, 'a'.repeat(65))],
    ['a ratchet id of 15 bytes', 'grant', fields.with(1, ratchetId.subarray(1))],
    ['a negative seq', 'grant', fields.with(2, -1)],
    ['a seq of 2^53', 'grant', fields.with(2, 2n ** 53n)],
    ['a chain key of 31 bytes', 'grant', fields.with(3, new Uint8Array(31))],
    ['a stream of nine bytes', 'grant', fields.with(4, new Uint8Array(9))],
    ['no number of a message', 'grant', fields.with(5, null)],
    ['an acknowledgement of four elements', 'ack', fields.slice(0, 4)],
    ['an acknowledgement without a seq', 'ack', fields.slice(0, 3).with(2, null)],
    ['a request that is a map', 'request', new Map([[0, CHANNEL]])],
    ['a request of a ratchet in hex', 'request', fields.slice(0, 3).with(1, bytesToHex(ratchetId))],
  ];
  return wrong.map(([what, structure, value]) => ({ what, structure, bytes: bytesToHex(encodeCbor(value)) }));
}
