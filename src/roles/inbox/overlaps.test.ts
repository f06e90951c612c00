import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Overlaps } from './overlaps.ts';

test('two ways with one peer at the same time overlap, whichever began and ended first', () => {
  const overlaps = new Overlaps();
  const out = overlaps.begin('initiator', 'bob');
  const back = overlaps.begin('responder', 'bob');
  out.end();
  back.end();
  assert.deepEqual([out.overlapped, back.overlapped], [true, true]);
});

test('other peers, the same way twice, and one after the other do not', () => {
  const overlaps = new Overlaps();
  const out = overlaps.begin('initiator', 'bob');
  const others = [overlaps.begin('initiator', 'bob'), overlaps.begin('responder', 'carol')];
  for (const one of [out, ...others]) one.end();
  // Twice is once.
  out.end();
  const later = overlaps.begin('responder', 'bob');
  assert.deepEqual(
    [out, ...others, later].map(({ overlapped }) => overlapped),
    [false, false, false, false],
  );
});
