import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRates, median } from './measure.ts';

test('the median', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 3);
  assert.ok(Number.isNaN(median([])));
});

test('both take turns, the bare one on both sides of ours, and promises are awaited', async () => {
  const order: string[] = [];
  let running = 0;
  const ours = async (): Promise<void> => {
    running += 1;
    assert.equal(running, 1);
    await Promise.resolve();
    order.push('ours');
    running -= 1;
  };
  const found = await compareRates(ours, () => order.push('bare'), { rounds: 2, runs: 2 });
  assert.equal(order.join(' '), new Array(3).fill('bare ours ours bare').join(' '));
  assert.ok(found.ratio > 0 && found.oursPerSecond > 0 && found.barePerSecond > 0);
});
