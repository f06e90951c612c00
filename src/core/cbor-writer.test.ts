import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeCbor } from './cbor.ts';
import { CborWriter } from './cbor-writer.ts';

test('the writer gives the same bytes as the general encoder', () => {
  const fields = fc.record({
    ints: fc.array(fc.maxSafeInteger(), { maxLength: 30 }),
    bytes: fc.uint8Array({ maxLength: 700 }),
    text: fc.string({ unit: 'grapheme', maxLength: 300 }),
  });
  fc.assert(
    fc.property(fields, ({ ints, bytes, text }) => {
      const writer = new CborWriter(1).array(5).array(ints.length);
      for (const value of ints) writer.int(value);
      writer.bytes(bytes).text(text).null().map(1).int(1).raw(encodeCbor(bytes));
      assert.deepEqual(writer.finish(), encodeCbor([ints, bytes, text, null, new Map([[1, bytes]])]));
    }),
    { seed: 3 },
  );
});

test('each length of head is the shortest', () => {
  for (const value of [1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(new CborWriter().int(value).finish(), encodeCbor(value));
    assert.deepEqual(new CborWriter().int(-value).finish(), encodeCbor(-value));
  }
});
