import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Ordered, StreamOrder } from './order.ts';

const seed = 20260701;

/** `3` for message 3, `3*` where it comes late, `4-6` for that gap. */
function show(ordered: readonly Ordered<unknown>[]): string {
  return ordered
    .map((next) => (next.type === 'gap' ? `${next.gap.first}-${next.gap.last}` : `${next.n}${next.late ? '*' : ''}`))
    .join(' ');
}

test('in order: at once', () => {
  const order = new StreamOrder<string>(10);
  assert.equal(show([...order.accept(0, 'a'), ...order.accept(1, 'b')]), '0 1');
  assert.equal(order.holding, false);
  assert.equal(order.next, 2);
});

test('a missing message holds its followers until it comes', () => {
  const order = new StreamOrder<string>(10);
  assert.equal(show(order.accept(2, 'c')), '');
  assert.equal(show(order.accept(1, 'b')), '');
  assert.equal(order.holding, true);
  assert.equal(order.newest, 2);
  assert.equal(show(order.accept(0, 'a')), '0 1 2');
  assert.equal(order.newest, -1);
});

test('giving up reports one gap at a time; what comes later is marked late, once', () => {
  const order = new StreamOrder<string>(10);
  order.accept(0, 'a');
  order.accept(3, 'd');
  order.accept(5, 'f');
  assert.equal(show(order.giveUp()), '1-2 3');
  assert.equal(order.holding, true);
  assert.equal(show(order.giveUp()), '4-4 5');
  assert.equal(show(order.giveUp()), '');
  assert.equal(show(order.accept(2, 'c')), '2*');
  assert.equal(show(order.accept(2, 'c')), '');
  assert.equal(show(order.accept(1, 'b')), '1*');
  assert.equal(show(order.accept(0, 'a')), '');
  assert.equal(show(order.accept(6, 'g')), '6');
});

test('of two messages with one n the first counts', () => {
  const order = new StreamOrder<string>(10);
  order.accept(1, 'first');
  assert.equal(show(order.accept(1, 'second')), '');
  const ready = order.accept(0, 'a');
  assert.deepEqual(
    ready.map((next) => next.type === 'message' && next.item),
    ['a', 'first'],
  );
});

test('the end reports everything that is missing', () => {
  const order = new StreamOrder<string>(10);
  order.accept(1, 'b');
  order.accept(4, 'e');
  assert.equal(show(order.finish(7)), '0-0 1 2-3 4 5-6');
  assert.equal(show(order.finish(7)), '');
  assert.equal(show(order.accept(5, 'f')), '5*');
});

test('more than heldMax messages are never held', () => {
  const order = new StreamOrder<number>(3);
  for (const n of [2, 4, 6]) assert.equal(show(order.accept(n, n)), '');
  assert.equal(show(order.accept(8, 8)), '0-1 2');
  assert.equal(order.holding, true);
});

/** What order means, slowly: everything that arrived is kept for ever. */
class Model {
  readonly #arrived = new Map<number, 'held' | 'given'>();
  readonly #missed = new Set<number>();
  readonly #heldMax: number;
  #next = 0;

  constructor(heldMax: number) {
    this.#heldMax = heldMax;
  }

  accept(n: number): string[] {
    if (this.#arrived.has(n)) return [];
    this.#arrived.set(n, n < this.#next ? 'given' : 'held');
    if (n < this.#next) return this.#missed.delete(n) ? [`${n}*`] : [];
    const out = this.#drain();
    while (this.#held().length > this.#heldMax) out.push(...this.giveUp());
    return out;
  }

  giveUp(): string[] {
    const [lowest] = this.#held();
    return lowest === undefined ? [] : [...this.#skip(lowest - 1), ...this.#drain()];
  }

  finish(n: number): string[] {
    const out: string[] = [];
    while (this.#held().length > 0) out.push(...this.giveUp());
    return n > this.#next ? [...out, ...this.#skip(n - 1)] : out;
  }

  #held(): number[] {
    return [...this.#arrived].flatMap(([n, state]) => (state === 'held' ? [n] : [])).sort((a, b) => a - b);
  }

  #skip(last: number): string[] {
    const gap = `${this.#next}-${last}`;
    for (let n = this.#next; n <= last; n++) this.#missed.add(n);
    this.#next = last + 1;
    return [gap];
  }

  #drain(): string[] {
    const out: string[] = [];
    for (; this.#arrived.get(this.#next) === 'held'; this.#next += 1) {
      this.#arrived.set(this.#next, 'given');
      out.push(`${this.#next}`);
    }
    return out;
  }
}

test('any course of events: the same as a naive model', () => {
  const n = fc.nat(25);
  const step = fc.oneof(
    { weight: 8, arbitrary: n.map((at) => ({ does: 'accept', at }) as const) },
    { weight: 2, arbitrary: fc.constant({ does: 'giveUp' } as const) },
    { weight: 1, arbitrary: n.map((at) => ({ does: 'finish', at }) as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (steps, heldMax) => {
      const order = new StreamOrder<number>(heldMax);
      const model = new Model(heldMax);
      for (const { does, ...rest } of steps) {
        const at = 'at' in rest ? rest.at : 0;
        const got = does === 'accept' ? order.accept(at, at) : does === 'giveUp' ? order.giveUp() : order.finish(at);
        const expected = does === 'accept' ? model.accept(at) : does === 'giveUp' ? model.giveUp() : model.finish(at);
        assert.equal(show(got), expected.join(' '));
      }
    }),
    { seed, numRuns: 500 },
  );
});

test('gaps of any size cost no memory of their own, and the oldest are forgotten', () => {
  const order = new StreamOrder<number>(1);
  order.accept(2 ** 50, 1);
  assert.equal(show(order.giveUp()), `0-${2 ** 50 - 1} ${2 ** 50}`);
  assert.equal(show(order.accept(2 ** 40, 2)), `${2 ** 40}*`);
  for (let i = 1; i <= 1024; i++) {
    order.accept(2 ** 50 + 2 * i, i);
    order.giveUp();
  }
  assert.equal(show(order.accept(5, 3)), '');
});

test('what is remembered of gaps stays bounded, however one is filled', () => {
  const order = new StreamOrder<number>(10);
  order.accept(2 ** 50, 0);
  order.giveUp();
  for (let n = 1; n < 4000; n += 2) assert.equal(order.accept(n, n).length, 1);
  assert.deepEqual(order.accept(0, 0), []);
  assert.equal(order.accept(3998, 3998).length, 1);
});

test('what is held weighs no more than its bound: the gap before it is given up', () => {
  const order = new StreamOrder<number>(10, 100, (weight) => weight);
  assert.deepEqual(order.accept(1, 60), []);
  assert.deepEqual(order.accept(2, 40), []);
  assert.equal(show(order.accept(4, 1)), '0-0 1 2');
  assert.deepEqual(order.accept(6, 99), []);
  assert.equal(show(order.accept(5, 1)), '3-3 4 5 6');
});

test('resumed at its place, an order goes on: what is missing is late, what was handed on is a duplicate', () => {
  const order = new StreamOrder<string>(10);
  order.accept(0, 'a');
  order.accept(4, 'e');
  assert.equal(show(order.giveUp()), '1-3 4');
  assert.equal(show(order.accept(2, 'c')), '2*');
  const resumed = new StreamOrder<string>(10);
  resumed.resume(order.place);
  assert.deepEqual(resumed.place, {
    next: 5,
    gaps: [
      { first: 1, last: 1 },
      { first: 3, last: 3 },
    ],
  });
  assert.equal(show([2, 1, 1, 3, 4, 5].flatMap((n) => resumed.accept(n, ''))), '1* 3* 5');
  // The place that was taken before does not change with it.
  assert.equal(show(order.accept(1, 'b')), '1*');
});

test('what an order holds is not part of its place: it counts as missing where nobody sends it again', () => {
  const order = new StreamOrder<string>(10);
  order.accept(2, 'c');
  const resumed = new StreamOrder<string>(10);
  resumed.resume(order.place);
  assert.deepEqual([resumed.next, resumed.holding], [0, false]);
  assert.equal(show([...resumed.accept(3, 'd'), ...resumed.giveUp()]), '0-2 3');
});

test('an order resumed at any moment hands on what it would have, but for what it held', () => {
  const step = fc.record({ n: fc.nat(20), resume: fc.boolean(), giveUp: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const plain = new StreamOrder<number>(5);
      let resumed = new StreamOrder<number>(5);
      for (const { n, resume, giveUp } of steps) {
        assert.equal(show(resumed.accept(n, n)), show(plain.accept(n, n)));
        if (giveUp) assert.equal(show(resumed.giveUp()), show(plain.giveUp()));
        if (!resume || plain.holding) continue;
        const { place } = resumed;
        resumed = new StreamOrder<number>(5);
        resumed.resume(place);
      }
    }),
    { seed, numRuns: 100 },
  );
});
