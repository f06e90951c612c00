import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../test/support/manual-clock.ts';
import { DelayedWay } from './delayed-way.ts';

function wayOf(delayMs: number) {
  const clock = manualClock();
  const out: (number | 'end')[] = [];
  const way = new DelayedWay(clock, delayMs, {
    write: (chunk) => out.push(...chunk),
    end: () => out.push('end'),
  });
  return { clock, out, way };
}

test('everything comes out after the delay and no sooner, in order, each at its own time', () => {
  const { clock, out, way } = wayOf(150);
  way.put(Uint8Array.of(1, 2));
  clock.advance(100);
  way.put(Uint8Array.of(3));
  way.put(Uint8Array.of(4, 5));
  assert.equal(way.bytes, 5);
  clock.advance(49);
  assert.deepEqual(out, []);
  clock.advance(1);
  assert.deepEqual(out, [1, 2]);
  assert.equal(way.bytes, 3);
  clock.advance(99);
  assert.deepEqual(out, [1, 2]);
  clock.advance(1);
  assert.deepEqual(out, [1, 2, 3, 4, 5]);
  assert.equal(clock.pending, 0, 'an empty way sets no timer');
});

test('the end comes after all that was put in before it', () => {
  const { clock, out, way } = wayOf(25);
  way.put(Uint8Array.of(1));
  way.end();
  clock.advance(25);
  assert.deepEqual(out, [1, 'end']);
});

test('what was put in while the line rests is delayed as much as the first', () => {
  const { clock, out, way } = wayOf(25);
  way.put(Uint8Array.of(1));
  clock.advance(1000);
  way.put(Uint8Array.of(2));
  assert.deepEqual(out, [1]);
  clock.advance(25);
  assert.deepEqual(out, [1, 2]);
});

test('a cut line lets nothing more out', () => {
  const { clock, out, way } = wayOf(25);
  way.put(Uint8Array.of(1));
  way.cut();
  clock.advance(100);
  assert.deepEqual(out, []);
  assert.equal(way.bytes, 0);
  assert.equal(clock.pending, 0);
});
