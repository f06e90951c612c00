import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hexToBytes } from './bytes.ts';
import { type CborValue, decodeCbor, decodeCborSequence, encodeCbor } from './cbor.ts';
import { isSealwireError } from './errors.ts';

const refused: Record<string, string> = {
  'a non-minimal integer': '1817',
  'a non-minimal length': '580100',
  'an indefinite byte string': '5f4100ff',
  'an indefinite array': '9f01ff',
  'an indefinite map': 'bf0102ff',
  'bytes after the item': '0000',
  'a cut byte string': '4401',
  'a cut array': '8201',
  'an array that claims more than it has': '9bffffffffffffffff',
  'nothing at all': '',
  'doubled keys': 'a201000100',
  'unsorted keys': 'a202000100',
  'unsorted text keys': 'a2616200616100',
  'unsorted keys in a nested map': '81a202000100',
  'unsorted keys after a nested array': 'a302810001000000',
  'a byte-string key': 'a1410000',
  'an array as key': 'a18000',
  'a float': 'f93c00',
  'a double': 'fb3ff0000000000000',
  undefined: 'f7',
  'an unassigned simple value': 'f8ff',
  'an unknown tag': 'c100',
  'text that is not UTF-8': '61ff',
  'a stray break': 'ff',
};

for (const [what, hex] of Object.entries(refused)) {
  test(`strict CBOR refuses ${what}`, () => {
    assert.throws(
      () => decodeCbor(hexToBytes(hex)),
      (error) => isSealwireError(error, 'malformed'),
    );
  });
}

test('depth and size have a bound', () => {
  const nested = (depth: number): Uint8Array => Uint8Array.of(...new Array(depth - 1).fill(0x81), 0x80);
  assert.doesNotThrow(() => decodeCbor(nested(16)));
  assert.throws(
    () => decodeCbor(nested(17)),
    (error) => isSealwireError(error, 'too-large'),
  );
  assert.throws(
    () => decodeCbor(nested(100_000)),
    (error) => isSealwireError(error, 'too-large'),
  );
  assert.throws(
    () => decodeCbor(new Uint8Array(11), { bytesMax: 10 }),
    (error) => isSealwireError(error, 'too-large'),
  );
});

const key = fc.oneof(fc.integer(), fc.string({ unit: 'grapheme' }));
const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.uint8Array(),
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.uniqueArray(fc.tuple(key, tie('value')), { selector: ([k]) => k, maxLength: 4 }).map((e) => new Map(e)),
  ),
}));

test('what is encoded decodes to the same, and encodes to the same again', () => {
  fc.assert(
    fc.property(value, (item) => {
      const bytes = encodeCbor(item);
      const back = decodeCbor(bytes);
      assert.deepEqual(encodeCbor(back), bytes);
      assert.deepEqual(back, item);
    }),
    { seed: 1 },
  );
});

test('whatever decodes is the one encoding of its value', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
      let item: CborValue;
      try {
        item = decodeCbor(bytes);
      } catch (error) {
        assert.ok(isSealwireError(error));
        return;
      }
      assert.deepEqual(encodeCbor(item), bytes);
    }),
    { seed: 2, numRuns: 5000 },
  );
});

test('a sequence is bounded in items', () => {
  assert.deepEqual(decodeCborSequence(hexToBytes('010203'), 3), [1, 2, 3]);
  assert.throws(
    () => decodeCborSequence(hexToBytes('010203'), 2),
    (error) => isSealwireError(error, 'too-large'),
  );
});

test('byte strings are plain, and nobody else’s, whatever their length', () => {
  for (let length = 0; length < 600; length++) {
    const bytes = encodeCbor(new Uint8Array(length));
    assert.equal(bytes.constructor, Uint8Array);
    const input = Buffer.from(bytes);
    const back = decodeCbor(input);
    input.fill(0xff);
    assert.deepEqual(back, new Uint8Array(length));
  }
});
