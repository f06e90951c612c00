import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';

test('timers run in order, unless they are called off', async () => {
  const ran: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.after(20, resolve);
    systemClock.after(1, () => ran.push('first'));
    systemClock.after(-5, () => ran.push('at once'));
    systemClock.after(2, () => ran.push('never'))();
  });
  assert.deepEqual(ran.toSorted(), ['at once', 'first']);
});

test('a delay of months is not taken for no delay', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const days50 = 50 * 86_400_000;
  let ran = false;
  systemClock.after(days50, () => {
    ran = true;
  });
  // The mocked timers count from the end of a tick, so each tick ends where a timer is armed anew.
  for (const step of [2 ** 31 - 1, 2 ** 31 - 1, days50 - 2 ** 32 + 1]) {
    t.mock.timers.tick(step);
    assert.equal(ran, false);
  }
  t.mock.timers.tick(1);
  assert.equal(ran, true);
});
