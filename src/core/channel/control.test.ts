import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CborValue, encodeCbor } from '../cbor.ts';
import { isSealwireError } from '../errors.ts';
import { decodeGrant, encodeGrant } from './grant.ts';
import { decodeGrantAck, encodeGrantAck } from './grant-ack.ts';
import { decodeGrantRequest, encodeGrantRequest } from './grant-request.ts';

const seed = 20260701;
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const channel = fc.string({ minLength: 1, maxLength: 16, unit: 'grapheme-ascii' });
const place = { channel, ratchetId: bytes(16), seq: fc.maxSafeNat() };
const grant = fc.record(
  { ...place, chainKey: bytes(32), stream: bytes(8), n: fc.maxSafeNat() },
  { noNullPrototype: true },
);
const about = fc.record(place, { noNullPrototype: true });

test('grants, acknowledgements and requests are read as they were written', () => {
  fc.assert(
    fc.property(grant, about, (given, { channel: name, ratchetId, seq }) => {
      assert.deepEqual(decodeGrant(encodeGrant(given)), given);
      const told = { channel: name, ratchetId, seq };
      assert.deepEqual(decodeGrantAck(encodeGrantAck(told)), told);
      assert.deepEqual(decodeGrantRequest(encodeGrantRequest(told)), told);
    }),
    { seed, numRuns: 100 },
  );
});

const [id, key, stream] = [new Uint8Array(16), new Uint8Array(32), new Uint8Array(8)];
const good: readonly CborValue[] = ['plant', id, 3, key, stream, 7];
const wrong: Readonly<Record<string, readonly CborValue[]>> = {
  'no channel': ['', id, 3, key, stream, 7],
  'a channel that is no text': [id, id, 3, key, stream, 7],
  'a channel of 65 bytes': [`${'ü'.repeat(32)}x`, id, 3, key, stream, 7],
  'a ratchet id of 15 bytes': ['plant', id.subarray(1), 3, key, stream, 7],
  'a seq below 0': ['plant', id, -1, key, stream, 7],
  'a seq that is no safe integer': ['plant', id, 2n ** 53n, key, stream, 7],
  'a chain key of 31 bytes': ['plant', id, 3, key.subarray(1), stream, 7],
  'a stream of 9 bytes': ['plant', id, 3, key, new Uint8Array(9), 7],
  'an n that is a text': ['plant', id, 3, key, stream, '7'],
  'an element too many': [...good, null],
};

function refuses(decode: (data: Uint8Array) => unknown, data: Uint8Array, why: string): void {
  assert.throws(
    () => decode(data),
    (error) => isSealwireError(error, 'malformed'),
    why,
  );
}

test('anything else is malformed', () => {
  assert.ok(decodeGrant(encodeCbor(good)));
  assert.ok(decodeGrantAck(encodeCbor(good.slice(0, 3))));
  for (const [why, fields] of Object.entries(wrong)) refuses(decodeGrant, encodeCbor(fields), why);
  for (const decode of [decodeGrantAck, decodeGrantRequest]) {
    refuses(decode, encodeCbor(good.slice(0, 2)), 'an element is missing');
    for (const [why, fields] of Object.entries(wrong).slice(0, 6)) refuses(decode, encodeCbor(fields.slice(0, 3)), why);
  }
  for (const decode of [decodeGrant, decodeGrantAck, decodeGrantRequest]) {
    refuses(decode, encodeCbor('plant'), 'no array');
    refuses(decode, Uint8Array.of(), 'nothing');
  }
});
