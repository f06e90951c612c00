import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToHex, compareBytes } from './bytes.ts';

const seed = 20260701;
const bytes = fc.uint8Array({ maxLength: 6, max: 3 });

test('bytes sort as their hex does, a prefix first', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const [x, y] = [bytesToHex(a), bytesToHex(b)];
      assert.equal(Math.sign(compareBytes(a, b)), x < y ? -1 : x > y ? 1 : 0);
    }),
    { seed, numRuns: 500 },
  );
});
