import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '../../src/core/bytes.ts';
import { type CborValue, encodeCbor } from '../../src/core/cbor.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { encodeDeliveryReceipt } from '../../src/core/frame/receipt.ts';
import { idToTopic } from '../../src/core/identity/id.ts';
import { KIND } from '../../src/core/kinds.ts';
import {
  type Forgery,
  forgeFrame,
  ISSUED_AT_S,
  messageOf,
  RECIPIENT,
  SENDER,
  withHighS,
} from '../../test/support/frames.ts';
import type { FrameVector, RefusedFrame } from './frames.ts';

const STREAM = new Uint8Array(8).fill(0x57);

const set =
  (at: number, value: CborValue): ((fields: CborValue[]) => void) =>
  (fields) =>
    void fields.splice(at, 1, value);
const put =
  (key: number, value: CborValue): ((map: Map<number, CborValue>) => void) =>
  (map) =>
    void map.set(key, value);
const cut =
  (key: number): ((map: Map<number, CborValue>) => void) =>
  (map) =>
    void map.delete(key);
const flipLast = (bytes: Uint8Array): Uint8Array => {
  const flipped = bytes.slice();
  flipped[bytes.length - 1] = (flipped[bytes.length - 1] ?? 0) ^ 1;
  return flipped;
};
const item = (value: CborValue): Forgery => ({ content: encodeCbor(value) });

function receiptFor(senderId: Uint8Array, ranges: readonly (readonly [number, number])[]): Forgery {
  const ratchetId = new Uint8Array(16).fill(0x72);
  const content = encodeDeliveryReceipt({ senderId, ratchetId, ranges, labelsHash: new Uint8Array(32) });
  return { kind: KIND.deliveryReceipt, content };
}

/** Wrong in one thing each, and right in everything else: HMAC and signature hold where they are not the thing. */
const FORGERIES: readonly (readonly [what: string, code: ErrorCode, forgery: Forgery])[] = [
  // Form, before any key is used.
  ['a frame of three', 'malformed', { frame: (fields) => void fields.push(0) }],
  ['a body that is text', 'malformed', { frame: set(1, 'body') }],
  ['no body where the kind has one', 'malformed', { frame: set(1, new Uint8Array(0)) }],
  ['a body where the kind has none', 'malformed', { ...item([0, 0, []]), kind: KIND.end, frame: set(1, STREAM) }],
  ['an unprotected header', 'malformed', { label: set(1, new Map([[4, new Uint8Array(1)]])) }],
  ['a detached payload', 'malformed', { label: set(2, null) }],
  ['a signature of 63 bytes', 'signature-invalid', { signature: (signature) => signature.subarray(1) }],
  ['a signature with high s', 'signature-invalid', { signature: withHighS }],
  ['algorithm ES384', 'malformed', { header: put(1, -35) }],
  ['another content type', 'malformed', { header: put(3, 98) }],
  ['one more header parameter', 'malformed', { header: put(33, new Uint8Array(1)) }],
  ['no time', 'malformed', { claims: cut(6) }],
  ['one more claim', 'malformed', { claims: put(5, ISSUED_AT_S) }],
  ['a token id of 8 bytes', 'malformed', { claims: put(7, new Uint8Array(8)) }],
  ['an expiry of null', 'malformed', { claims: put(4, null) }],
  ['a topic with a bare colon', 'malformed', { claims: put(2, 'a:b') }],
  ['a topic with a lower-case percent code', 'malformed', { claims: put(2, 'a%3ab') }],
  ['a topic of 513 bytes', 'malformed', { claims: put(2, 'x'.repeat(513)) }],
  ['protocol version 2', 'unsupported', { own: set(1, 2) }],
  ["a notary's kind", 'malformed', { own: set(0, KIND.identity) }],
  ['a seq over 2^53', 'malformed', { own: set(4, 2n ** 53n) }],
  ['a ratchet id of 15 bytes', 'malformed', { own: set(3, new Uint8Array(15)) }],
  ['a head with a root of 31 bytes', 'malformed', { own: set(6, [1, new Uint8Array(31)]) }],
  ['eight elements in parameter −65537', 'malformed', { own: (own) => void own.push(null) }],
  [
    'a protected header with a length that is not the shortest',
    'malformed',
    { protectedBytes: (encoded) => concatBytes(Uint8Array.of(0xb8, 5), encoded.subarray(1)) },
  ],
  ['HMAC 256/64', 'malformed', { mac0: set(0, encodeCbor(new Map([[1, 4]]))) }],
  ['an HMAC cut to 16 bytes', 'malformed', { mac0: set(3, new Uint8Array(16)) }],
  ['a label of more than 2048 bytes', 'too-large', { kind: KIND.end, content: new Uint8Array(2048) }],
  // Place.
  ['another sender', 'sender-unknown', { header: put(4, RECIPIENT.id), signer: RECIPIENT }],
  ['another recipient', 'wrong-recipient', { claims: put(2, idToTopic(SENDER.id)) }],
  ['another ratchet', 'wrong-session', { own: set(3, new Uint8Array(16)) }],
  ['a channel', 'wrong-session', { own: set(2, 'line4') }],
  ['a roster name', 'wrong-session', { claims: put(1, 'plant') }],
  // Cryptography.
  ["another key's signature", 'signature-invalid', { signer: RECIPIENT }],
  ['a signature over something else', 'signature-invalid', { signature: (signature) => flipLast(signature) }],
  ['another body', 'body-mismatch', { frame: (fields) => void set(1, flipLast(fields[1] as Uint8Array))(fields) }],
  ['a jump of 2001', 'skipped-too-far', { seq: 2001 }],
  ['a jump of 2001 with another body', 'body-mismatch', { seq: 2001, frame: set(1, STREAM) }],
  ['an HMAC over something else', 'mac-invalid', { mac0: set(3, new Uint8Array(32)) }],
  [
    'an HMAC over something else, of an open kind',
    'mac-invalid',
    { ...item([0, 0, []]), kind: KIND.end, mac0: set(3, new Uint8Array(32)) },
  ],
  // Content.
  ['a kind that has no place in a session', 'unsupported', { kind: KIND.ledgerHead }],
  ['a body without a message', 'malformed', { content: encodeCbor(new Uint8Array(4)) }],
  ['a message of four', 'malformed', item([STREAM, 0, 0, 0])],
  ['a stream of 7 bytes', 'malformed', item([STREAM.subarray(1), 0, 0, 0, STREAM])],
  ['a negative n', 'malformed', item([STREAM, -1, 0, 0, STREAM])],
  ['a payload that is text', 'malformed', item([STREAM, 0, 0, 0, 'text'])],
  [
    'padding that is not zero',
    'malformed',
    { content: concatBytes(messageOf(0, 'x'), encodeCbor(Uint8Array.of(0, 1))) },
  ],
  ['padding in three', 'malformed', { content: concatBytes(messageOf(0, 'x'), utf8ToBytes('@@@')) }],
  ['padding before a message', 'malformed', { content: concatBytes(Uint8Array.of(0x40), messageOf(0, 'x')) }],
  [
    'two streams in a session',
    'wrong-session',
    { content: concatBytes(messageOf(0, 'x'), encodeCbor([new Uint8Array(8), 1, 0, 0, STREAM])) },
  ],
  ['an end that names another seq', 'malformed', { kind: KIND.end, ...item([1, 0, []]) }],
  ['an end with voids out of order', 'malformed', { kind: KIND.end, seq: 3, ...item([3, 0, [2, 1]]) }],
  [
    'a receipt with ranges that touch',
    'malformed',
    receiptFor(RECIPIENT.id, [
      [0, 1],
      [2, 3],
    ]),
  ],
  ['a receipt over 4097 frames', 'too-large', receiptFor(RECIPIENT.id, [[0, 4096]])],
  ["a receipt about somebody else's frames", 'wrong-recipient', receiptFor(SENDER.id, [[0, 1]])],
];

/** Every way in which a recipient has to refuse a frame. */
export function refusedFrames(frames: readonly FrameVector[]): RefusedFrame[] {
  const [first] = frames;
  if (!first) throw new Error('there are no frames to repeat');
  const bytes = hexToBytes(first.frame);
  const end = forgeFrame({ kind: KIND.end, ...item([1, 1, []]), seq: 1 });
  const raw: readonly (readonly [string, ErrorCode, Uint8Array, readonly string[]])[] = [
    ['a byte after the frame', 'malformed', concatBytes(bytes, Uint8Array.of(0)), []],
    ['a frame cut by a byte', 'malformed', bytes.subarray(0, -1), []],
    [
      'an array of indefinite length',
      'malformed',
      concatBytes(Uint8Array.of(0x9f), bytes.subarray(1), Uint8Array.of(0xff)),
      [],
    ],
    ['nothing', 'malformed', new Uint8Array(0), []],
    ['the same frame again', 'replayed', bytes, [first.name]],
    ['a second frame for a seq that was used', 'replayed', forgeFrame(), [first.name]],
    [
      'a second end',
      'malformed',
      forgeFrame({ kind: KIND.end, ...item([2, 1, []]), seq: 2 }),
      [first.name, bytesToHex(end)],
    ],
    [
      'a message after the end',
      'malformed',
      forgeFrame({ content: messageOf(1, 'x'), seq: 2 }),
      [first.name, bytesToHex(end)],
    ],
  ];
  return [
    ...raw.map(([what, code, frame, after]) => ({ what, code, after, frame: bytesToHex(frame) })),
    ...FORGERIES.map(([what, code, forgery]) => ({ what, code, after: [], frame: bytesToHex(forgeFrame(forgery)) })),
  ];
}
