import { concatBytes, utf8ToBytes } from '../../../src/core/bytes.ts';
import { decodeCbor, decodeCborSequence, encodeCbor, SIGN1_TAG, Tagged } from '../../../src/core/cbor.ts';
import { decodeGrant, encodeGrant } from '../../../src/core/channel/grant.ts';
import { decodeGrantAck, encodeGrantAck } from '../../../src/core/channel/grant-ack.ts';
import { decodeGrantRequest, encodeGrantRequest } from '../../../src/core/channel/grant-request.ts';
import { decodeReaderState, encodeReaderState } from '../../../src/core/channel/reader-state.ts';
import { decodeMac0, decodeProtected, decodeSign1, encodeMac0, encodeSign1 } from '../../../src/core/cose.ts';
import { decodeRequest, encodeRenewalRequest, encodeTokenRequest } from '../../../src/core/enrolment/request.ts';
import { formatToken, parseToken } from '../../../src/core/enrolment/token.ts';
import { ReceivingRatchet } from '../../../src/core/ratchet/receiving.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { codec, sameBytes, type Target } from '../target.ts';
import { someone } from './people.ts';

const crypto = nodeCrypto;
const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);
const ITEMS_MAX = 16;

const cborSeeds = [
  [0, 23, 24, 255, 65536, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, -25, 2n ** 60n],
  ['', 'plant/é', bytes(0, 0), bytes(24, 1), true, false, null, []],
  new Map<number | string, number | string>([
    [1, 2],
    [-1, 'x'],
    ['key', 3],
  ]),
  new Tagged(SIGN1_TAG, [encodeCbor(new Map([[1, -7]])), new Map(), bytes(3, 4), bytes(64, 5)]),
  [[[[[[[[[[[[[[[7]]]]]]]]]]]]]]],
].map((value) => encodeCbor(value as Parameters<typeof encodeCbor>[0]));

const channel = 'plant';
const ratchetId = bytes(16, 0x52);
const chainKey = bytes(32, 0xc0);

/** A ratchet of a reader that passed some frames over. */
function savedRatchet(): Uint8Array {
  const ratchet = new ReceivingRatchet(crypto, { ratchetId, seq: 0, chainKey });
  ratchet.lookUp(3).commit();
  return ratchet.save();
}

async function readerState(): Promise<Uint8Array> {
  const { id, name, signer, certificates } = await someone('alice', 11);
  const writer = { id, name, publicKey: signer.publicKey, trust: 'pin', authority: null, certificates } as const;
  const order = { next: 9, gaps: [{ first: 2, last: 4 }] };
  return encodeReaderState({ channel, writer, stream: bytes(8, 7), order, ratchet: savedRatchet() });
}

const token = { authorityId: bytes(32, 5), secret: bytes(16, 6) };
const signingRequest = bytes(200, 3);

function requestAgain(data: Uint8Array): Uint8Array {
  const { signingRequest: csr, tag } = decodeRequest(data);
  return tag === null ? encodeRenewalRequest(csr) : encodeCbor([1, csr, tag]);
}

/** Structures that stand for themselves: nothing about them is signed. */
export const CODECS: readonly Target[] = [
  codec({ name: 'cbor', seeds: () => cborSeeds, again: (data) => encodeCbor(decodeCbor(data)) }),
  codec({
    name: 'cbor-sequence',
    seeds: () => [concatBytes(...cborSeeds), ...cborSeeds],
    again: (data) => concatBytes(...decodeCborSequence(data, ITEMS_MAX).map(encodeCbor)),
  }),
  codec({ name: 'cose-sign1', seeds: () => cborSeeds.slice(3, 4), again: (data) => encodeSign1(decodeSign1(data)) }),
  codec({
    name: 'cose-mac0',
    seeds: () => [encodeMac0({ payload: bytes(32, 1), tag: bytes(32, 2) })],
    again: (data) => encodeMac0(decodeMac0(data)),
  }),
  codec({
    name: 'cose-protected',
    seeds: () => [new Uint8Array(0), encodeCbor(new Map([[1, -7]])), ...cborSeeds.slice(2, 3)],
    again: (data) => {
      const map = decodeProtected(data);
      return map.size === 0 ? new Uint8Array(0) : encodeCbor(map);
    },
  }),
  codec({
    name: 'grant',
    seeds: () => [encodeGrant({ channel, ratchetId, seq: 5, chainKey, stream: bytes(8, 1), n: 70_000 })],
    again: (data) => encodeGrant(decodeGrant(data)),
  }),
  codec({
    name: 'grant-ack',
    seeds: () => [encodeGrantAck({ channel, ratchetId, seq: 5 })],
    again: (data) => encodeGrantAck(decodeGrantAck(data)),
  }),
  codec({
    name: 'grant-request',
    seeds: () => [encodeGrantRequest({ channel, ratchetId, seq: 5 })],
    again: (data) => encodeGrantRequest(decodeGrantRequest(data)),
  }),
  codec({
    name: 'reader-state',
    seeds: async () => [await readerState()],
    again: (data) => encodeReaderState(decodeReaderState(data)),
  }),
  codec({
    name: 'saved-ratchet',
    seeds: () => [savedRatchet()],
    // Of one's own making, so a key that stands twice is merely kept once.
    again: (data) => {
      const saved = ReceivingRatchet.restore(crypto, data).save();
      sameBytes(ReceivingRatchet.restore(crypto, saved).save(), saved);
      return data;
    },
  }),
  codec({
    name: 'enrolment-request',
    seeds: () => [encodeTokenRequest(crypto, bytes(32, 1), signingRequest), encodeRenewalRequest(signingRequest)],
    again: requestAgain,
  }),
  codec({
    name: 'enrolment-token',
    mutator: 'bytes',
    seeds: () => [utf8ToBytes(formatToken(crypto, token))],
    again: (data) => {
      const text = new TextDecoder().decode(data);
      const again = formatToken(crypto, parseToken(crypto, text));
      // Spaces around it are no part of it.
      return text.trim() === again ? data : utf8ToBytes(again);
    },
  }),
];
