import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CborValue, encodeCbor } from '../cbor.ts';
import { isSealwireError } from '../errors.ts';
import { decodeGrant, encodeGrant } from './grant.ts';
import { decodeGrantAck, encodeGrantAck } from './grant-ack.ts';
import { decodeGrantRequest, encodeGrantRequest } from './grant-request.ts';

const seed = 20261124;
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const channel = fc.constantFrom('plant', 'a', 'ä'.repeat(32), 'line 4/%:#');
const plain = { noNullPrototype: true };
const about = { channel, ratchetId: bytes(16), seq: fc.maxSafeNat() };
const isMalformed = (error: unknown): boolean => isSealwireError(error, 'malformed');

test('a grant comes back as it was', () => {
  const grant = fc.record({ ...about, chainKey: bytes(32), stream: bytes(8), n: fc.maxSafeNat() }, plain);
  fc.assert(
    fc.property(grant, (given) => assert.deepEqual(decodeGrant(encodeGrant(given)), given)),
    { seed, numRuns: 100 },
  );
});

test('so does its acknowledgement, and a request', () => {
  const given = fc.record(about, plain);
  fc.assert(
    fc.property(given, (one) => {
      assert.deepEqual(decodeGrantAck(encodeGrantAck(one)), one);
      assert.deepEqual(decodeGrantRequest(encodeGrantRequest(one)), one);
    }),
    { seed, numRuns: 100 },
  );
});

const zeros = (length: number): Uint8Array => new Uint8Array(length);
const GRANT: readonly CborValue[] = ['plant', zeros(16), 0, zeros(32), zeros(8), 0];
/** What each element may not be. */
const WRONG: readonly (readonly CborValue[])[] = [
  ['', 'a'.repeat(65), 'ä'.repeat(33), zeros(5), null],
  [zeros(15), zeros(17), '0123456789abcdef', null],
  [-1, '0', 2n ** 53n, null],
  [zeros(31), zeros(33), null],
  [zeros(7), zeros(9), null],
  [-1, 2n ** 53n, zeros(1)],
];

for (const { name, decode, count } of [
  { name: 'a grant', decode: decodeGrant, count: 6 },
  { name: 'an acknowledgement', decode: decodeGrantAck, count: 3 },
  { name: 'a request', decode: decodeGrantRequest, count: 3 },
]) {
  test(`${name} of another form is refused`, () => {
    const good = GRANT.slice(0, count);
    decode(encodeCbor(good));
    for (const [at, values] of WRONG.slice(0, count).entries()) {
      for (const value of values) assert.throws(() => decode(encodeCbor(good.with(at, value))), isMalformed, `${at}`);
    }
    for (const other of [good.slice(1), [...good, 0], 'plant', new Map([[0, 'plant']]), null]) {
      assert.throws(() => decode(encodeCbor(other)), isMalformed);
    }
    const encoded = encodeCbor(good);
    assert.throws(() => decode(new Uint8Array([...encoded, 0])), isMalformed);
    assert.throws(() => decode(encoded.subarray(0, -1)), isMalformed);
    assert.throws(() => decode(new Uint8Array(0)), isMalformed);
  });
}
