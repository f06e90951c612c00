import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SkippedKeys } from './skipped-keys.ts';

const seed = 20261124;
const key = (seq: number): Uint8Array => new Uint8Array(32).fill(seq + 1);
const owners: readonly object[] = [{}, {}, {}, {}];
const owner = (n: number): object => owners[n] ?? {};

function seqsOf(keys: SkippedKeys, n: number): number[] {
  return keys.of(owner(n)).map(([seq]) => seq);
}

function keepRun(keys: SkippedKeys, n: number, count: number): void {
  for (let seq = 0; seq < count; seq++) keys.keep(owner(n), seq, key(seq));
}

test('whoever keeps most loses its oldest, whoever asks for room', () => {
  const keys = new SkippedKeys(10);
  keepRun(keys, 0, 2);
  keepRun(keys, 1, 8);
  keepRun(keys, 2, 3);
  assert.deepEqual(
    [seqsOf(keys, 0), seqsOf(keys, 1), seqsOf(keys, 2)],
    [
      [0, 1],
      [3, 4, 5, 6, 7],
      [0, 1, 2],
    ],
  );
  keepRun(keys, 1, 3);
  assert.deepEqual(
    [seqsOf(keys, 0), seqsOf(keys, 2)],
    [
      [0, 1],
      [0, 1, 2],
    ],
  );
  assert.equal(keys.size, 10);
});

test('of one owner no more than its own bound, though there be room', () => {
  const keys = new SkippedKeys(10, 3);
  keepRun(keys, 0, 5);
  assert.deepEqual(seqsOf(keys, 0), [2, 3, 4]);
  assert.equal(keys.size, 3);
});

test('keys that are given up or forgotten are zeros', () => {
  const keys = new SkippedKeys(2);
  const [first, second, third] = [key(0), key(1), key(2)];
  keys.keep(owner(0), 0, first);
  keys.keep(owner(0), 1, second);
  keys.keep(owner(0), 2, third);
  assert.deepEqual(first, new Uint8Array(32));
  keys.forget(owner(0));
  assert.deepEqual([second, third], [new Uint8Array(32), new Uint8Array(32)]);
  assert.deepEqual([keys.size, keys.count(owner(0)), keys.get(owner(0), 2)], [0, 0, undefined]);
});

test('a key that is used stays whole, and is here no more', () => {
  const keys = new SkippedKeys(2);
  const kept = key(0);
  keys.keep(owner(0), 0, kept);
  assert.ok(keys.use(owner(0), 0));
  assert.ok(!keys.use(owner(0), 0));
  assert.deepEqual(kept, key(0));
});

interface Step {
  readonly what: string;
  readonly of: number;
  readonly seq: number;
}

/** What {@link SkippedKeys} should do, the long way, where there is room for all. */
function takeStep(kept: readonly Step[], step: Step, ownerMax: number): Step[] {
  if (step.what === 'forget') return kept.filter(({ of }) => of !== step.of);
  const rest = kept.filter(({ of, seq }) => of !== step.of || seq !== step.seq);
  if (step.what === 'use') return rest;
  const own = [...rest.filter(({ of }) => of === step.of), step];
  return [...rest.filter(({ of }) => of !== step.of), ...own.slice(-ownerMax)];
}

test('against a list: whatever is kept, used and forgotten', () => {
  const step = fc.record({ what: fc.constantFrom('keep', 'keep', 'use', 'forget'), of: fc.nat(3), seq: fc.nat(7) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const keys = new SkippedKeys(100, 5);
      let list: Step[] = [];
      for (const next of steps) {
        if (next.what === 'keep') keys.keep(owner(next.of), next.seq, key(next.seq));
        else if (next.what === 'use') keys.use(owner(next.of), next.seq);
        else keys.forget(owner(next.of));
        list = takeStep(list, next, 5);
        for (const n of owners.keys()) {
          const own = list.filter(({ of }) => of === n);
          assert.deepEqual(
            seqsOf(keys, n),
            own.map(({ seq }) => seq),
          );
        }
        assert.equal(keys.size, list.length);
      }
    }),
    { seed, numRuns: 300 },
  );
});

test('the bound holds over all owners together, and takes from none that keeps fewer than another', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 80 }), (turns) => {
      const keys = new SkippedKeys(12);
      for (const [seq, of] of turns.entries()) {
        const before = [...owners.keys()].map((n) => keys.count(owner(n)));
        keys.keep(owner(of), seq, key(seq % 200));
        const wanted = before.map((count, n) => (n === of ? count + 1 : count));
        const after = [...owners.keys()].map((n) => keys.count(owner(n)));
        const lost = wanted.flatMap((count, n) => ((after[n] ?? 0) < count ? [n] : []));
        assert.equal(
          keys.size,
          Math.min(
            12,
            wanted.reduce((sum, count) => sum + count, 0),
          ),
        );
        for (const n of lost) assert.equal(wanted[n], Math.max(...wanted));
      }
    }),
    { seed, numRuns: 200 },
  );
});
