import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSealwireError } from '../core/errors.ts';
import { frameUnit, UnitReader } from './framing.ts';

test('however a stream is cut up, the same units come out', () => {
  const units = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 20 });
  fc.assert(
    fc.property(units, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (sent, steps) => {
      const stream = new Uint8Array(Buffer.concat(sent.map(frameUnit)));
      const reader = new UnitReader(300);
      const got: Uint8Array[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const step = steps[i % steps.length] ?? 1;
        reader.push(stream.subarray(at, at + step), (unit) => got.push(unit));
        at += step;
      }
      assert.deepEqual(got, sent);
      assert.equal(reader.begun, false);
    }),
    { seed: 3 },
  );
});

test('a unit shares no memory with the chunk it came in', () => {
  const chunk = Buffer.from(frameUnit(Uint8Array.of(1, 2, 3)));
  let got: Uint8Array = new Uint8Array(0);
  new UnitReader(10).push(chunk, (unit) => {
    got = new Uint8Array(unit.buffer);
  });
  chunk.fill(0);
  assert.deepEqual(got, Uint8Array.of(1, 2, 3));
});

test('the bound is checked on the length alone', () => {
  const reader = new UnitReader(5);
  assert.throws(
    () => reader.push(Uint8Array.of(0, 0, 0, 6), () => assert.fail('a unit')),
    (error) => isSealwireError(error, 'too-large'),
  );
  assert.throws(
    () => new UnitReader(5).push(Uint8Array.of(0, 0, 0, 0), () => assert.fail('a unit')),
    (error) => isSealwireError(error, 'malformed'),
  );
});

test('the work to put a unit together grows with its bytes, not with their square', () => {
  const bytes = 4 * 1024 * 1024;
  const framed = frameUnit(new Uint8Array(bytes));
  const reader = new UnitReader(bytes);
  let copied = 0;
  const set = Uint8Array.prototype.set;
  Uint8Array.prototype.set = function (source: ArrayLike<number>, offset?: number): void {
    copied += source.length;
    set.call(this, source, offset);
  };
  try {
    for (let at = 0; at < framed.length; at += 1000) reader.push(framed.subarray(at, at + 1000), () => {});
  } finally {
    Uint8Array.prototype.set = set;
  }
  assert.equal(reader.begun, false);
  assert.ok(copied >= bytes && copied < 4 * bytes, `${copied} bytes copied for ${bytes}`);
});
