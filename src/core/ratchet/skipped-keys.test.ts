import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SkippedKeys } from './skipped-keys.ts';

const seed = 20260701;
const keyOf = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

function flood(keys: SkippedKeys, owner: object, from: number, count: number): void {
  for (let seq = from; seq < from + count; seq++) keys.keep(owner, seq, keyOf(1));
}

function seqsOf(keys: SkippedKeys, owner: object): number[] {
  return keys.of(owner).map(([seq]) => seq);
}

test('keys are told apart by owner and seq, and given once', () => {
  const keys = new SkippedKeys(10);
  const [a, b] = [{}, {}];
  keys.keep(a, 1, keyOf(1));
  keys.keep(b, 1, keyOf(2));
  assert.deepEqual(keys.get(a, 1), keyOf(1));
  assert.deepEqual(keys.get(b, 1), keyOf(2));
  assert.equal(keys.use(a, 1), true);
  assert.equal(keys.use(a, 1), false);
  assert.equal(keys.get(a, 1), undefined);
  assert.deepEqual([keys.size, keys.count(a), keys.count(b)], [1, 0, 1]);
});

test('the bound holds over all owners together, and a single one may use all of it', () => {
  const keys = new SkippedKeys(100);
  const owner = {};
  flood(keys, owner, 0, 150);
  assert.equal(keys.size, 100);
  assert.deepEqual(
    seqsOf(keys, owner),
    Array.from({ length: 100 }, (_, i) => 50 + i),
  );
});

test('one that floods pushes out its own keys only, also where others come to keep theirs', () => {
  const keys = new SkippedKeys(100);
  const [early, flooder, late] = [{}, {}, {}];
  flood(keys, early, 0, 20);
  flood(keys, flooder, 0, 1000);
  assert.deepEqual([keys.count(early), keys.count(flooder)], [20, 80]);
  // What it pushes out is not the oldest of all, which is somebody else's.
  flood(keys, late, 0, 30);
  assert.deepEqual([keys.count(early), keys.count(flooder), keys.count(late)], [20, 50, 30]);
  flood(keys, flooder, 1000, 1000);
  assert.deepEqual([keys.count(early), keys.count(flooder), keys.count(late)], [20, 50, 30]);
});

test('one owner keeps no more than its own bound, though there be room', () => {
  const keys = new SkippedKeys(100, 10);
  const [owner, other] = [{}, {}];
  flood(keys, other, 0, 5);
  flood(keys, owner, 0, 30);
  assert.deepEqual(
    seqsOf(keys, owner),
    Array.from({ length: 10 }, (_, i) => 20 + i),
  );
  assert.deepEqual([keys.size, keys.count(other)], [15, 5]);
});

test('keys that are pushed out or forgotten are overwritten', () => {
  const keys = new SkippedKeys(1);
  const owner = {};
  const [first, second] = [keyOf(1), keyOf(2)];
  keys.keep(owner, 1, first);
  keys.keep(owner, 2, second);
  assert.deepEqual(first, keyOf(0));
  keys.forget(owner);
  keys.forget(owner);
  assert.deepEqual(second, keyOf(0));
  assert.deepEqual([keys.size, keys.count(owner)], [0, 0]);
});

test('whatever is done, nobody loses a key who has no more than an equal share', () => {
  const max = 24;
  const step = fc.record({
    who: fc.nat(5),
    seq: fc.nat(40),
    what: fc.constantFrom('keep', 'keep', 'keep', 'keep', 'use', 'forget'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const keys = new SkippedKeys(max);
      const owners = Array.from({ length: 6 }, () => ({}));
      for (const { who, seq, what } of steps) {
        const owner = owners[who] ?? {};
        const before = owners.map((other) => seqsOf(keys, other));
        if (what === 'use') keys.use(owner, seq);
        else if (what === 'forget') keys.forget(owner);
        else keys.keep(owner, seq, keyOf(seq));
        const counts = owners.map((other) => keys.count(other));
        assert.equal(
          keys.size,
          counts.reduce((sum, count) => sum + count, 0),
        );
        assert.ok(keys.size <= max);
        const sharing = counts.filter((count) => count > 0).length;
        owners.forEach((other, i) => {
          const had = before[i] ?? [];
          const lost = had.filter((at) => keys.get(other, at) === undefined);
          if (other === owner && what !== 'keep') return;
          assert.ok(lost.length <= 1);
          if (lost.length > 0) assert.ok(had.length > max / sharing - 1, `${had.length} of ${max} by ${sharing}`);
        });
        if (what === 'keep') assert.deepEqual(keys.get(owner, seq), keyOf(seq));
      }
    }),
    { seed, numRuns: 200 },
  );
});
