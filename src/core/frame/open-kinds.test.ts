import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concatBytes } from '../bytes.ts';
import { type CborValue, encodeCbor } from '../cbor.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { SealwireError } from '../errors.ts';
import { decodeRatchetEnd, encodeRatchetEnd, VOIDS_MAX } from './end.ts';
import {
  decodeDeliveryReceipt,
  encodeDeliveryReceipt,
  hashLabels,
  RECEIPT_FRAMES_MAX,
  RECEIPT_RANGES_MAX,
  type SeqRange,
  seqsOf,
  toRanges,
} from './receipt.ts';

const seed = 20260701;
const ascending = fc.uniqueArray(fc.nat(200), { maxLength: 60 }).map((seqs) => seqs.sort((a, b) => a - b));

function refuses(action: () => unknown, code = 'malformed'): void {
  assert.throws(action, (error) => error instanceof SealwireError && error.code === code);
}

test("a ratchet's end comes back as it was written", () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.nat(1_000_000), ascending, (messages, extra, voids) => {
      const finalSeq = 201 + extra;
      const end = { finalSeq, messages, voids };
      assert.deepEqual(decodeRatchetEnd(encodeRatchetEnd(end), finalSeq), end);
    }),
    { seed },
  );
});

const wrongEnds: Record<string, CborValue> = {
  'another seq': [4, 3, []],
  'two elements': [5, 3],
  'four elements': [5, 3, [], 0],
  'a map': new Map([[5, 3]]),
  'a negative count': [5, -1, []],
  'a count that is text': [5, '3', []],
  'no voids': [5, 3, null],
  'a void that is text': [5, 3, ['1']],
  'a negative void': [5, 3, [-1]],
  'voids out of order': [5, 3, [2, 1]],
  'a void twice': [5, 3, [1, 1]],
  'itself as void': [5, 3, [5]],
  'a void after it': [5, 3, [1, 6]],
};

for (const [what, item] of Object.entries(wrongEnds)) {
  test(`a ratchet's end is refused with ${what}`, () => refuses(() => decodeRatchetEnd(encodeCbor(item), 5)));
}

test("a ratchet's end is refused with too many voids, or bytes after it", () => {
  const voids = [...Array(VOIDS_MAX + 1).keys()];
  decodeRatchetEnd(encodeCbor([5000, 3, voids.slice(1)]), 5000);
  refuses(() => decodeRatchetEnd(encodeCbor([5000, 3, voids]), 5000));
  const end = encodeRatchetEnd({ finalSeq: 5, messages: 3, voids: [] });
  refuses(() => decodeRatchetEnd(concatBytes(end, Uint8Array.of(0)), 5));
});

const receipt = {
  senderId: new Uint8Array(32).fill(1),
  ratchetId: new Uint8Array(16).fill(2),
  ranges: [
    [0, 4],
    [6, 6],
  ] as readonly SeqRange[],
  labelsHash: new Uint8Array(32).fill(3),
};

test('ranges hold exactly the seqs they were made of, apart from each other', () => {
  fc.assert(
    fc.property(ascending, (seqs) => {
      const ranges = toRanges(seqs);
      assert.deepEqual([...seqsOf(ranges)], seqs);
      for (const [at, [first, last]] of ranges.entries()) {
        assert.ok(first <= last);
        const next = ranges[at + 1];
        if (next) assert.ok(next[0] > last + 1);
      }
    }),
    { seed },
  );
});

test('a delivery receipt comes back as it was written', () => {
  const seqs = ascending.filter((list) => list.length > 0 && toRanges(list).length <= RECEIPT_RANGES_MAX);
  fc.assert(
    fc.property(seqs, (list) => {
      const given = { ...receipt, ranges: toRanges(list) };
      assert.deepEqual(decodeDeliveryReceipt(encodeDeliveryReceipt(given)), given);
    }),
    { seed },
  );
});

const { senderId, ratchetId, labelsHash } = receipt;
const wrongReceipts: Record<string, CborValue> = {
  'three elements': [senderId, ratchetId, [[0, 1]]],
  'five elements': [senderId, ratchetId, [[0, 1]], labelsHash, 0],
  'a sender of 31 bytes': [senderId.subarray(1), ratchetId, [[0, 1]], labelsHash],
  'a ratchet id of 32 bytes': [senderId, senderId, [[0, 1]], labelsHash],
  'a hash of 16 bytes': [senderId, ratchetId, [[0, 1]], ratchetId],
  'no frames': [senderId, ratchetId, [], labelsHash],
  'a seq instead of a range': [senderId, ratchetId, [0], labelsHash],
  'a range of three': [senderId, ratchetId, [[0, 1, 2]], labelsHash],
  'a range backwards': [senderId, ratchetId, [[2, 1]], labelsHash],
  'ranges out of order': [
    senderId,
    ratchetId,
    [
      [4, 5],
      [0, 1],
    ],
    labelsHash,
  ],
  'ranges that overlap': [
    senderId,
    ratchetId,
    [
      [0, 4],
      [4, 5],
    ],
    labelsHash,
  ],
  'ranges that touch': [
    senderId,
    ratchetId,
    [
      [0, 4],
      [5, 6],
    ],
    labelsHash,
  ],
  'a negative seq': [senderId, ratchetId, [[-1, 4]], labelsHash],
  'a seq over 2^53': [senderId, ratchetId, [[0, 2n ** 53n]], labelsHash],
};

for (const [what, item] of Object.entries(wrongReceipts)) {
  test(`a delivery receipt is refused with ${what}`, () => refuses(() => decodeDeliveryReceipt(encodeCbor(item))));
}

test('a delivery receipt is bounded in ranges and in frames', () => {
  const rangesOf = (count: number): SeqRange[] => Array.from({ length: count }, (_, i) => [2 * i, 2 * i]);
  const withRanges = (ranges: readonly SeqRange[]): Uint8Array => encodeDeliveryReceipt({ ...receipt, ranges });
  assert.equal(decodeDeliveryReceipt(withRanges(rangesOf(RECEIPT_RANGES_MAX))).ranges.length, RECEIPT_RANGES_MAX);
  refuses(() => decodeDeliveryReceipt(withRanges(rangesOf(RECEIPT_RANGES_MAX + 1))), 'too-large');
  decodeDeliveryReceipt(withRanges([[0, RECEIPT_FRAMES_MAX - 1]]));
  refuses(() => decodeDeliveryReceipt(withRanges([[0, RECEIPT_FRAMES_MAX]])), 'too-large');
  refuses(() => decodeDeliveryReceipt(withRanges([[0, Number.MAX_SAFE_INTEGER]])), 'too-large');
});

test('the hash of labels is over their leaf hashes, one after the other', () => {
  const leaves = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  assert.deepEqual(hashLabels(nobleCrypto, leaves), nobleCrypto.sha256(concatBytes(...leaves)));
  assert.notDeepEqual(hashLabels(nobleCrypto, leaves), hashLabels(nobleCrypto, [...leaves].reverse()));
});
