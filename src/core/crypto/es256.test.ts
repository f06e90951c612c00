import assert from 'node:assert/strict';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { SENDER, signAs, withHighS } from '../../../test/support/frames.ts';
import { hexToBytes } from '../bytes.ts';
import { isLowS, toLowS } from './es256.ts';

const seed = 20260701;
const HALF = '7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8';
const r = '11'.repeat(32);

test('low s ends at half the order', () => {
  assert.equal(isLowS(hexToBytes(r + HALF)), true);
  assert.equal(isLowS(hexToBytes(`${r}${HALF.slice(0, -1)}9`)), false);
  assert.equal(isLowS(hexToBytes(r + HALF).subarray(1)), false);
  assert.equal(isLowS(new Uint8Array(65)), false);
});

test('of the two signatures (r, s) and (r, n − s) the low one is kept, and both verify', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (message) => {
      const low = signAs(SENDER, message);
      const high = withHighS(low);
      assert.equal(isLowS(low), true);
      assert.equal(isLowS(high), false);
      assert.equal(toLowS(low), low);
      const kept = high.slice();
      assert.deepEqual(toLowS(high), low);
      assert.deepEqual(high, kept);
      assert.equal(p256.verify(high, message, SENDER.publicKey, { lowS: false }), true);
    }),
    { seed, numRuns: 20 },
  );
});
