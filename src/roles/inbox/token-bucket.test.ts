import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../../test/support/manual-clock.ts';
import { TokenBucket } from './token-bucket.ts';

/** How many of `tries` are let through. */
function taken(bucket: TokenBucket, tries = 100): number {
  return Array.from({ length: tries }, () => bucket.take()).filter(Boolean).length;
}

test('a burst at once, then so many a second, and never more than a burst saved up', () => {
  const clock = manualClock();
  const bucket = new TokenBucket(clock, { burst: 8, perSecond: 4 });
  assert.equal(taken(bucket), 8);
  clock.advance(249);
  assert.equal(taken(bucket), 0);
  clock.advance(1);
  assert.equal(taken(bucket), 1);
  clock.advance(1000);
  assert.equal(taken(bucket), 4);
  clock.advance(3_600_000);
  assert.equal(taken(bucket), 8);
});

test('a clock that is set back gives nothing, and holds nothing up either', () => {
  let now = 1_000_000;
  const bucket = new TokenBucket({ ...manualClock(), now: () => now }, { burst: 2, perSecond: 2 });
  assert.equal(taken(bucket), 2);
  now -= 900_000;
  assert.equal(taken(bucket), 0);
  now += 500;
  assert.equal(taken(bucket), 1);
});
