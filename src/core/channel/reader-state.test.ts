import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { isSealwireError } from '../errors.ts';
import { decodeReaderState, encodeReaderState, type ReaderState } from './reader-state.ts';

const zeros = (length: number): Uint8Array => new Uint8Array(length);
const isMalformed = (error: unknown): boolean => isSealwireError(error, 'malformed');

const STATE: ReaderState = {
  channel: 'plant',
  writer: {
    ...{ id: zeros(32), publicKey: zeros(65), name: 'alice', trust: 'authority' },
    ...{ authority: zeros(65).fill(1), certificates: [zeros(400), zeros(300)] },
  },
  stream: zeros(8),
  order: { next: 17, gaps: [{ first: 3, last: 4 }] },
  ratchet: zeros(60),
};

test('a reader’s state comes back as it was', () => {
  const gap = fc.tuple(fc.nat(99), fc.nat(99)).map(([first, more]) => ({ first, last: first + more }));
  const place = fc.record({ next: fc.maxSafeNat(), gaps: fc.array(gap, { maxLength: 5 }) }, { noNullPrototype: true });
  fc.assert(
    fc.property(place, fc.boolean(), (order, isPinned) => {
      const writer = isPinned ? { ...STATE.writer, trust: 'pin' as const, authority: null } : STATE.writer;
      const state = { ...STATE, order, writer };
      assert.deepEqual(decodeReaderState(encodeReaderState(state)), state);
    }),
    { seed: 20261124, numRuns: 60 },
  );
});

test('what is no state is refused', () => {
  const good = decodeCbor(encodeReaderState(STATE)) as readonly CborValue[];
  const writer = good[2] as readonly CborValue[];
  const wrongWriters: readonly (readonly [at: number, value: CborValue])[] = [
    [0, zeros(31)],
    [1, zeros(64)],
    [2, zeros(1)],
    [3, 'pin'],
    [4, zeros(64)],
    [5, null],
    [5, ['der']],
  ];
  const wrong: readonly (readonly [at: number, value: CborValue])[] = [
    [0, 2],
    [1, zeros(5)],
    [2, null],
    [2, writer.slice(1)],
    ...wrongWriters.map(([at, value]) => [2, writer.with(at, value)] as const),
    [3, zeros(7)],
    [4, -1],
    [4, 'next'],
    [5, null],
    [5, [3]],
    [5, [[3, 4, 5]]],
    [5, [[4, 3]]],
    [5, [[-1, 3]]],
    [6, null],
  ];
  decodeReaderState(encodeCbor(good));
  for (const [at, value] of wrong) {
    assert.throws(() => decodeReaderState(encodeCbor(good.with(at, value))), isMalformed, `${at} ${String(value)}`);
  }
  for (const value of [good.slice(1), [...good, 0], null]) {
    assert.throws(() => decodeReaderState(encodeCbor(value)), isMalformed);
  }
});
