import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SignedRoster } from '../core/roster/roster.ts';
import { AHEAD_MAX, WaitingRosters } from './waiting-rosters.ts';

/** All that is looked at; `size` tells one from another. */
const roster = (version: number, size: number): SignedRoster =>
  ({ version, bytes: new Uint8Array(size) }) as unknown as SignedRoster;
const sizes = (taken: readonly SignedRoster[]): number[] => taken.map(({ bytes }) => bytes.length);

test('a few different ones wait for each place, first come first, and those that are due go together', () => {
  const waiting = new WaitingRosters();
  for (const size of [1, 1, 2, 3, 4, 5]) waiting.add(roster(3, size), 1);
  waiting.add(roster(2, 9), 1);
  waiting.add(roster(4, 7), 1);
  assert.deepEqual(sizes(waiting.takeUpTo(3)), [9, 1, 2, 3, 4]);
  assert.deepEqual([waiting.has(3), waiting.has(4)], [false, true]);
});

test('those far ahead are not kept, and where bytes run out the nearest are', () => {
  const waiting = new WaitingRosters();
  waiting.add(roster(1 + AHEAD_MAX, 1), 1);
  assert.equal(waiting.has(1 + AHEAD_MAX), false);
  const mib = 1024 * 1024;
  for (const version of [9, 8, 7, 6, 5, 4, 3, 2]) waiting.add(roster(version, mib), 1);
  waiting.add(roster(2, 2 * mib), 1);
  assert.deepEqual([waiting.has(9), waiting.has(8), waiting.has(7)], [false, false, true]);
  waiting.takeUpTo(7);
  for (const version of [8, 9, 10]) waiting.add(roster(version, 2 * mib), 8);
  assert.deepEqual([waiting.has(8), waiting.has(9), waiting.has(10)], [true, true, true]);
});
