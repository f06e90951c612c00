import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../fuzz/random.ts';
import { type ByteFault, ByteFaults, type Step } from './byte-faults.ts';
import type { FaultPlan } from './plan.ts';

const PLAN: FaultPlan = {
  cut: { afterBytes: [3000, 3000], how: 'end' },
  stall: { afterBytes: [100, 400], forMs: [1, 50] },
  corrupt: { afterBytes: [50, 200] },
};

function faultsOf(plan: FaultPlan, seed: number, allows: (fault: ByteFault, at: number) => boolean = () => true) {
  return new ByteFaults(plan, (kind) => new Random(seed, kind), allows);
}

/** What became of `bytes` in chunks of so many: what came out, and what happened where. */
function run(seed: number, bytes: Uint8Array, chunkBytes: number, plan = PLAN) {
  const corrupted: number[] = [];
  const faults = faultsOf(plan, seed, (fault, at) => {
    if (fault === 'corrupt') corrupted.push(at);
    return true;
  });
  const steps: Step[] = [];
  for (let at = 0; at < bytes.length && steps.at(-1)?.type !== 'cut'; at += chunkBytes) {
    steps.push(...faults.take(bytes.subarray(at, at + chunkBytes)));
  }
  const out = Buffer.concat(steps.map((step) => (step.type === 'pass' ? step.bytes : new Uint8Array(0))));
  return { out, events: steps.filter(({ type }) => type !== 'pass'), corrupted };
}

test('the same seed and bytes have the same faults, in whatever chunks they come', () => {
  const bytes = new Random(5).bytes(5000);
  const whole = run(7, bytes, 5000);
  for (const chunkBytes of [1, 7, 100, 1400]) assert.deepEqual(run(7, bytes, chunkBytes), whole);
  assert.ok(whole.events.length > 5 && whole.corrupted.length > 10);
  assert.notDeepEqual(run(8, bytes, 5000), whole);
});

test('one bit is flipped where it says so, and nothing else; the caller keeps its bytes', () => {
  const bytes = new Uint8Array(2000);
  const { out, corrupted } = run(3, bytes, 333, { corrupt: { afterBytes: [100, 300] } });
  const changed = [...out.keys()].filter((i) => out[i] !== 0);
  assert.deepEqual(
    changed.map((i) => i + 1),
    corrupted,
  );
  for (const i of changed) assert.equal(((out[i] ?? 0) & ((out[i] ?? 0) - 1)) === 0, true, 'more than one bit');
  assert.ok(bytes.every((byte) => byte === 0));
});

test('what comes before a cut passes, and nothing after it', () => {
  const { out, events } = run(1, new Uint8Array(5000), 800, { cut: { afterBytes: [3000, 3000] } });
  assert.equal(out.length, 3000);
  assert.deepEqual(events, [{ type: 'cut', at: 3000, how: 'reset' }]);
});

test('where no fault is allowed, everything passes as it is', () => {
  const bytes = new Random(5).bytes(10_000);
  const faults = faultsOf(PLAN, 7, () => false);
  const steps = faults.take(bytes);
  assert.ok(Buffer.concat(steps.map((step) => (step.type === 'pass' ? step.bytes : new Uint8Array(0)))).equals(bytes));
});
