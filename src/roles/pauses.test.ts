import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Pauses } from './pauses.ts';

function pauses(byte: number, bounds: { readonly minMs: number; readonly maxMs: number }): Pauses {
  return new Pauses({ ...bounds, random: (length) => new Uint8Array(length).fill(byte) });
}

suite('pauses between attempts', () => {
  test('grow up to a bound where chance would have them long', () => {
    const long = pauses(255, { minMs: 100, maxMs: 2000 });
    assert.deepEqual(
      Array.from({ length: 5 }, () => long.next()),
      [300, 900, 2000, 2000, 2000],
    );
  });

  test('are never shorter than the least', () => {
    const short = pauses(0, { minMs: 100, maxMs: 2000 });
    assert.deepEqual(
      Array.from({ length: 3 }, () => short.next()),
      [100, 100, 100],
    );
  });

  test('are spread between', () => {
    const middle = pauses(128, { minMs: 100, maxMs: 100_000 });
    assert.deepEqual(
      Array.from({ length: 3 }, () => middle.next()),
      [200, 351, 578],
    );
  });

  test('are short after what was good, and grow from there', () => {
    const long = pauses(255, { minMs: 100, maxMs: 2000 });
    for (let i = 0; i < 3; i++) long.next();
    assert.deepEqual([long.first(), long.next(), long.next()], [100, 300, 900]);
    assert.equal(pauses(0, { minMs: 100, maxMs: 2000 }).first(), 0);
  });

  test('begin anew', () => {
    const long = pauses(255, { minMs: 100, maxMs: 2000 });
    long.next();
    long.next();
    long.reset();
    assert.equal(long.next(), 300);
  });
});
