import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToHex, compareBytes, hexToBytes } from './bytes.ts';

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

test('hexadecimal: lowercase, two digits a byte, and back', () => {
  assert.equal(bytesToHex(Uint8Array.of(0, 9, 10, 127, 128, 255)), '00090a7f80ff');
  assert.equal(bytesToHex(new Uint8Array(0)), '');
  const any = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(any, (given) => assert.deepEqual(hexToBytes(bytesToHex(given)), given)),
    { seed, numRuns: 100 },
  );
  assert.equal(bytesToHex(new Uint8Array(200_000)).length, 400_000);
});
