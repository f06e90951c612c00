import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedSigner } from '../../../test/support/identities.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { SealwireError } from '../errors.ts';
import { identityId } from './id.ts';
import { safetyNumber } from './safety-number.ts';

const id = (number: number): Uint8Array => identityId(nobleCrypto, fixedSigner(number).publicKey);

test('both sides see the same number, 12 groups of 5 digits', () => {
  const number = safetyNumber(nobleCrypto, id(1), id(2));
  assert.match(number, /^\d{5}( \d{5}){11}$/);
  assert.equal(safetyNumber(nobleCrypto, id(2), id(1)), number);
});

test('another key on either side gives another number', () => {
  const numbers = [safetyNumber(nobleCrypto, id(1), id(2))];
  for (let other = 3; other < 20; other++) {
    numbers.push(safetyNumber(nobleCrypto, id(1), id(other)), safetyNumber(nobleCrypto, id(other), id(2)));
  }
  assert.equal(new Set(numbers).size, numbers.length);
});

test('a number that begins with zeros keeps them', () => {
  // The hash is what counts: one whose last 60 digits are few is rare, so it is put in.
  const crypto = { ...nobleCrypto, sha256: () => new Uint8Array(32).fill(7, 31) };
  assert.equal(safetyNumber(crypto, id(1), id(2)), `${'00000 '.repeat(11)}00007`);
});

test('nobody has one with himself, and an id is 32 bytes', () => {
  for (const [one, other] of [
    [id(1), id(1)],
    [id(1), id(2).subarray(1)],
    [new Uint8Array(), id(2)],
  ] as const) {
    assert.throws(
      () => safetyNumber(nobleCrypto, one, other),
      (error) => error instanceof SealwireError && error.code === 'malformed',
    );
  }
});
