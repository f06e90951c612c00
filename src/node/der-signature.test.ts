import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToHex, concatBytes, hexToBytes } from '../core/bytes.ts';
import { fromDer, toDer } from './der-signature.ts';

/** One integer of 32 bytes, with leading zeros or a set top bit often. */
const half = fc
  .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.oneof(fc.constant(0), fc.nat(32)))
  .map(([bytes, zeros]) => bytes.fill(0, 0, zeros));

test('r ‖ s and DER are one another’s reverse, whatever zeros they begin with', () => {
  fc.assert(
    fc.property(half, half, (r, s) => {
      const signature = concatBytes(r, s);
      const der = toDer(signature);
      assert.equal(der.length, (der[1] ?? 0) + 2);
      assert.deepEqual(fromDer(der), signature);
    }),
    { seed: 4, numRuns: 1000 },
  );
});

test('integers are as short as DER wants them, and positive', () => {
  const one = '00'.repeat(31);
  assert.equal(bytesToHex(toDer(hexToBytes(`${one}01${one}80`))), '300702010102020080');
  assert.equal(bytesToHex(toDer(new Uint8Array(64))), '3006020100020100');
  assert.equal(toDer(new Uint8Array(64).fill(0xff)).length, 72);
});

test('it is the DER that OpenSSL makes', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (let i = 0; i < 50; i++) {
    const der = sign('sha256', Uint8Array.of(i), privateKey);
    assert.equal(bytesToHex(toDer(fromDer(der))), bytesToHex(der));
  }
});
