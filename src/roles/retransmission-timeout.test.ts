import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetransmissionTimeout } from './retransmission-timeout.ts';

const bounds = { firstMs: 1000, maxMs: 30_000 };

test('before anything was measured it is the first', () => {
  assert.equal(new RetransmissionTimeout(bounds).ms, 1000);
});

test('a measurement counts with its variation, as RFC 6298 has it in section 2', () => {
  const timeout = new RetransmissionTimeout(bounds);
  timeout.measured(2000);
  assert.equal(timeout.ms, 2000 + 4 * 1000);
  timeout.measured(2000);
  assert.equal(timeout.ms, 2000 + 4 * 750);
  timeout.measured(1200);
  assert.equal(timeout.ms, 1900 + 4 * ((3 * 750 + 800) / 4));
});

test('it is never under the first, however fast confirmations come', () => {
  const timeout = new RetransmissionTimeout(bounds);
  for (let i = 0; i < 20; i++) timeout.measured(10);
  assert.equal(timeout.ms, 1000);
});

test('it doubles while nothing comes, up to its bound, and falls back once something does', () => {
  const timeout = new RetransmissionTimeout(bounds);
  const seen: number[] = [];
  for (let i = 0; i < 7; i++) {
    seen.push(timeout.ms);
    timeout.backOff();
  }
  assert.deepEqual(seen, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  timeout.heard();
  assert.equal(timeout.ms, 1000);
});

test('what is confirmed after it was sent again shortens the pause of what was sent again, and no other', () => {
  const timeout = new RetransmissionTimeout(bounds);
  for (let i = 0; i < 3; i++) timeout.backOff();
  assert.deepEqual(timeout.pauses, { freshMs: 8000, againMs: 8000 });
  timeout.progressed();
  assert.deepEqual(timeout.pauses, { freshMs: 8000, againMs: 1000 });
  timeout.backOff();
  assert.deepEqual(timeout.pauses, { freshMs: 16_000, againMs: 2000 });
});
