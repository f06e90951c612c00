import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { isSealwireError } from '../errors.ts';
import { decodeReaderState, encodeReaderState, type ReaderState } from './reader-state.ts';

const seed = 20260701;
const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength });
const plain = { noNullPrototype: true };
const gap = fc.tuple(fc.nat(1000), fc.nat(1000)).map(([first, length]) => ({ first, last: first + length }));
const state: fc.Arbitrary<ReaderState> = fc.record(
  {
    channel: fc.string({ minLength: 1 }),
    writer: fc.record(
      {
        id: bytes(32),
        publicKey: bytes(65),
        name: fc.string(),
        trust: fc.constantFrom('pin' as const, 'authority' as const),
        authority: fc.option(bytes(65)),
        certificates: fc.array(bytes(0, 600), { maxLength: 3 }),
      },
      plain,
    ),
    stream: bytes(8),
    order: fc.record({ next: fc.maxSafeNat(), gaps: fc.array(gap) }, plain),
    ratchet: bytes(0, 200),
  },
  plain,
);

test('a state is read as it was written', () => {
  fc.assert(
    fc.property(state, (given) => assert.deepEqual(decodeReaderState(encodeReaderState(given)), given)),
    { seed, numRuns: 100 },
  );
});

test('nothing of a state stays tied to the bytes that it was read from: they hold keys', () => {
  const [given] = fc.sample(state, { seed, numRuns: 1 });
  assert.ok(given);
  const encoded = encodeReaderState({ ...given, writer: { ...given.writer, certificates: [new Uint8Array(400)] } });
  const read = decodeReaderState(encoded);
  const { id, publicKey, certificates } = read.writer;
  for (const part of [read.stream, read.ratchet, id, publicKey, ...certificates]) {
    assert.notEqual(part.buffer, encoded.buffer);
    assert.ok(part.buffer.byteLength <= part.length, 'and none keeps more than itself');
  }
});

test('a state with any part of another type, and one of another version, is malformed', () => {
  const [given] = fc.sample(state, { seed, numRuns: 1 });
  assert.ok(given);
  const fields = decodeCbor(encodeReaderState(given)) as CborValue[];
  const refused = (changed: CborValue): void =>
    assert.throws(
      () => decodeReaderState(encodeCbor(changed)),
      (error) => isSealwireError(error, 'malformed'),
    );
  for (const at of fields.keys()) refused(fields.with(at, true));
  refused(fields.with(0, 2));
  refused(fields.slice(1));
  refused(fields.with(5, [[1]]));
  refused(fields.with(5, [[1, 'two']]));
  const writer = fields[2] as CborValue[];
  for (const at of writer.keys()) refused(fields.with(2, writer.with(at, 1)));
  refused(fields.with(2, writer.with(5, [1])));
});
