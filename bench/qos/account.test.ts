import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountOf } from './account.ts';
import { messageOf } from './message.ts';
import { Tally } from './tally.ts';

test('what came is held against what the writer was told', () => {
  const tally = new Tally();
  for (const number of [0, 1, 1, 4, 5000, 6000]) tally.take(messageOf(number));
  assert.equal(tally.distinct, 5);
  assert.equal(tally.came.agesMs.length, 6);
  assert.deepEqual(accountOf({ safe: [0, 1, 2, 5000], failed: [3, 4] }, tally.came.times), {
    sent: 6,
    safe: 4,
    came: 4,
    lost: 1,
    told: 2,
    toldWrongly: 1,
    twice: 1,
  });
});

test('of nothing that came, everything that was called safe is lost', () => {
  const { lost, came, twice } = accountOf({ safe: [0, 7, 99_999], failed: [] }, new Tally().came.times);
  assert.deepEqual({ lost, came, twice }, { lost: 3, came: 0, twice: 0 });
});
