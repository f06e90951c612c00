import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concatBytes } from '../bytes.ts';
import { type CborValue, encodeCbor } from '../cbor.ts';
import { isSealwireError } from '../errors.ts';
import { BATCH_MAX, FRAME_BYTES_MAX } from '../limits.ts';
import { type BodyMessage, encodeMessage, joinBody, readBody } from './body.ts';

const seed = 20260701;
const message: BodyMessage = {
  stream: new Uint8Array(8).fill(1),
  n: 0,
  timeMs: 1_782_864_000_000,
  contentType: 42,
  payload: Uint8Array.of(1, 2, 3),
};

const arbitrary: fc.Arbitrary<BodyMessage> = fc.record(
  {
    stream: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    n: fc.maxSafeNat(),
    timeMs: fc.maxSafeNat(),
    contentType: fc.oneof(fc.nat(65_535), fc.string({ unit: 'grapheme' })),
    payload: fc.uint8Array({ maxLength: 300 }),
  },
  { noNullPrototype: true },
);

function refuses(plaintext: Uint8Array, code = 'malformed'): void {
  assert.throws(
    () => readBody(plaintext),
    (error) => isSealwireError(error) && error.code === code,
  );
}

test('messages come back as they were joined, whatever the padding', () => {
  const messages = fc.array(arbitrary, { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(messages, fc.nat(600), (batch, paddingBytes) => {
      const body = joinBody(batch.map(encodeMessage), paddingBytes);
      assert.deepEqual(readBody(body), batch);
    }),
    { seed, numRuns: 200 },
  );
});

test('padding is of exactly the size asked for, every size', () => {
  const encoded = encodeMessage(message);
  const sizes = [...Array(700).keys(), 65_536, 65_537, 65_538, 65_539, 65_540, 65_541, 100_000];
  for (const paddingBytes of sizes) {
    const body = joinBody([encoded], paddingBytes);
    assert.equal(body.length, encoded.length + paddingBytes);
    assert.deepEqual(readBody(body), [message]);
  }
});

test('a message is what the general encoder makes of an array of five', () => {
  fc.assert(
    fc.property(arbitrary, (given) => {
      const { stream, n, timeMs, contentType, payload } = given;
      assert.deepEqual(encodeMessage(given), encodeCbor([stream, n, timeMs, contentType, payload]));
    }),
    { seed },
  );
});

test('a payload of zeros is no padding', () => {
  const zeros = { ...message, payload: new Uint8Array(40) };
  assert.deepEqual(readBody(joinBody([zeros, message, zeros].map(encodeMessage), 30)), [zeros, message, zeros]);
});

test('padding that carries something is refused', () => {
  const encoded = encodeMessage(message);
  for (const length of [1, 20, 300]) {
    const padding = new Uint8Array(length);
    padding[length - 1] = 1;
    refuses(concatBytes(encoded, encodeCbor(padding)));
    refuses(concatBytes(encoded, encodeCbor(padding), encodeCbor(new Uint8Array(2))));
  }
});

test('padding stands at the end, in two byte strings at most, and not alone', () => {
  const encoded = encodeMessage(message);
  const padding = encodeCbor(new Uint8Array(4));
  refuses(concatBytes(padding, encoded));
  refuses(concatBytes(encoded, padding, encoded));
  refuses(concatBytes(encoded, padding, padding, padding));
  refuses(padding);
  refuses(new Uint8Array(0));
});

test('a body holds BATCH_MAX messages, with padding, and no more', () => {
  const encoded = encodeMessage({ ...message, payload: new Uint8Array(0) });
  const most = new Array<Uint8Array>(BATCH_MAX).fill(encoded);
  assert.equal(readBody(joinBody(most)).length, BATCH_MAX);
  assert.equal(readBody(joinBody(most, 25)).length, BATCH_MAX);
  refuses(joinBody([...most, encoded]), 'too-large');
  refuses(new Uint8Array(FRAME_BYTES_MAX + 1), 'too-large');
});

const { stream, payload } = message;
const wrong: Record<string, CborValue> = {
  'four elements': [stream, 0, 0, 0],
  'six elements': [stream, 0, 0, 0, payload, 0],
  'a map instead': new Map([[0, 0]]),
  'text instead': 'message',
  'a stream of 7 bytes': [stream.subarray(1), 0, 0, 0, payload],
  'a stream of 9 bytes': [concatBytes(stream, stream.subarray(7)), 0, 0, 0, payload],
  'a stream that is text': ['12345678', 0, 0, 0, payload],
  'a negative n': [stream, -1, 0, 0, payload],
  'an n over 2^53': [stream, 2n ** 53n, 0, 0, payload],
  'a negative time': [stream, 0, -1, 0, payload],
  'a time that is text': [stream, 0, '0', 0, payload],
  'a negative content type': [stream, 0, 0, -1, payload],
  'no content type': [stream, 0, 0, null, payload],
  'a content type over 2^53': [stream, 0, 0, 2n ** 60n, payload],
  'text as payload': [stream, 0, 0, 0, 'payload'],
  'no payload': [stream, 0, 0, 0, null],
};

for (const [what, item] of Object.entries(wrong)) {
  test(`a message is refused with ${what}`, () => {
    refuses(encodeCbor(item));
    refuses(concatBytes(encodeMessage(message), encodeCbor(item)));
  });
}

test('a message is refused with something nested in it, not in its one encoding, or cut', () => {
  refuses(encodeCbor([stream, 0, 0, 0, [payload]]));
  const encoded = encodeMessage(message);
  for (let length = 1; length < encoded.length; length++) refuses(encoded.subarray(0, length));
  const longN = concatBytes(encoded.subarray(0, 10), Uint8Array.of(0x18, 0), encoded.subarray(11));
  assert.equal(encoded[10], 0);
  refuses(longN);
});
