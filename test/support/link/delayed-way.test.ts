import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../manual-clock.ts';
import { DelayedWay } from './delayed-way.ts';

function wayOf(delayMs: number) {
  const clock = manualClock();
  const out: (number | 'end')[] = [];
  const way = new DelayedWay(
    clock,
    { delayMs },
    {
      write: (chunk) => out.push(...chunk),
      end: () => out.push('end'),
    },
  );
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

test('a narrow line lets through so many bytes a second, a little at a time', () => {
  const clock = manualClock();
  let bytes = 0;
  const way = new DelayedWay(
    clock,
    { delayMs: 100, bytesPerSecond: 1000 },
    {
      write: (chunk) => {
        bytes += chunk.length;
      },
      end: () => {},
    },
  );
  way.put(new Uint8Array(500));
  way.put(new Uint8Array(500));
  clock.advance(100);
  assert.equal(bytes, 0);
  clock.advance(250);
  assert.ok(bytes >= 230 && bytes <= 250, `${bytes} bytes in a quarter of a second`);
  clock.advance(750);
  assert.equal(bytes, 1000);
});

test('chance delays, and nothing overtakes', () => {
  const clock = manualClock();
  const [out, chances]: [number[], number[]] = [[], [0.9, 0, 0.5]];
  const way = new DelayedWay(
    clock,
    { delayMs: 10, jitterMs: 100 },
    { write: (chunk) => void out.push(...chunk), end: () => {} },
    () => chances.shift() ?? 0,
  );
  for (const byte of [1, 2, 3]) way.put(Uint8Array.of(byte));
  clock.advance(99);
  assert.deepEqual(out, []);
  clock.advance(1);
  assert.deepEqual(out, [1, 2, 3]);
});

test('a held line lets nothing out until it flows, and then what is due', () => {
  const { clock, out, way } = wayOf(25);
  way.put(Uint8Array.of(1));
  way.hold();
  clock.advance(100);
  way.put(Uint8Array.of(2));
  clock.advance(20);
  assert.deepEqual(out, []);
  assert.equal(clock.pending, 0);
  way.flow();
  clock.advance(0);
  assert.deepEqual(out, [1]);
  clock.advance(5);
  assert.deepEqual(out, [1, 2]);
});

test('something happens between what came before it and what came after', () => {
  const { clock, out, way } = wayOf(25);
  way.put(Uint8Array.of(1));
  way.mark(() => way.hold());
  way.put(Uint8Array.of(2));
  way.mark(() => way.cut());
  way.put(Uint8Array.of(3));
  clock.advance(100);
  assert.deepEqual(out, [1]);
  way.flow();
  clock.advance(0);
  way.put(Uint8Array.of(4));
  clock.advance(100);
  assert.deepEqual([out, clock.pending], [[1, 2], 0]);
});

test('a line that takes no time lets out at once', () => {
  const { clock, out, way } = wayOf(0);
  way.put(Uint8Array.of(1));
  assert.deepEqual([out, clock.pending], [[1], 0]);
});
