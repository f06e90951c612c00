import assert from 'node:assert/strict';
import { test } from 'node:test';
import { standstill, turn } from '../../test/support/turns.ts';
import { AsyncQueue } from './queue.ts';

/** Counts pushes as they resolve. */
function pushing(queue: AsyncQueue<number>, items: readonly number[]): { readonly count: () => number } {
  let count = 0;
  for (const item of items) {
    void queue.push(item).then(() => {
      count += 1;
    });
  }
  return { count: () => count };
}

async function take(queue: AsyncQueue<number>, count: number): Promise<(number | undefined)[]> {
  const items = queue.items();
  return Promise.all(Array.from({ length: count }, async () => (await items.next()).value));
}

test('items come in order; a full queue makes its producer wait', async () => {
  const queue = new AsyncQueue<number>(2);
  const pushes = pushing(queue, [1, 2, 3]);
  await standstill(pushes.count, 3);
  assert.equal(pushes.count(), 1);
  assert.deepEqual(await take(queue, 2), [1, 2]);
  await standstill(pushes.count, 3);
  assert.equal(pushes.count(), 3);
});

test('a consumer that waits takes each item at once', async () => {
  const queue = new AsyncQueue<number>(1);
  const taken = take(queue, 2);
  await queue.push(1);
  await queue.push(2);
  assert.deepEqual(await taken, [1, 2]);
});

test('leaving a loop ends nothing', async () => {
  const queue = new AsyncQueue<number>(9);
  await queue.push(1);
  await queue.push(2);
  for await (const item of queue.items()) {
    assert.equal(item, 1);
    break;
  }
  assert.deepEqual(await take(queue, 1), [2]);
});

test('after the end what is queued still comes, then the end or the error, for good', async () => {
  for (const error of [undefined, new Error('why')]) {
    const queue = new AsyncQueue<number>(1);
    const pushes = pushing(queue, [1]);
    queue.end(error);
    queue.end(new Error('too late'));
    await queue.push(2);
    await standstill(pushes.count, 3);
    assert.equal(pushes.count(), 1);
    const items = queue.items();
    assert.deepEqual(await items.next(), { done: false, value: 1 });
    for (let i = 0; i < 2; i++) {
      if (error) await assert.rejects(items.next(), error);
      else assert.deepEqual(await items.next(), { done: true, value: undefined });
    }
  }
});

test('unbound: the producer never waits again', async () => {
  const queue = new AsyncQueue<number>(1);
  const pushes = pushing(queue, [1, 2]);
  queue.unbound();
  await queue.push(3);
  await standstill(pushes.count, 3);
  assert.equal(pushes.count(), 2);
  assert.deepEqual(await take(queue, 3), [1, 2, 3]);
});

test('drop gives back what nobody took', async () => {
  const queue = new AsyncQueue<number>(9);
  for (const item of [1, 2, 3]) await queue.push(item);
  await take(queue, 1);
  assert.deepEqual(queue.drop(), [2, 3]);
  assert.deepEqual(await queue.items().next(), { done: true, value: undefined });
});

test('what is queued is bounded by its weight too, and one item may pass the bound', async () => {
  const queue = new AsyncQueue<number>(100, 10, (weight) => weight);
  await queue.push(9);
  let done = false;
  const pushed = queue.push(50).then(() => {
    done = true;
  });
  const items = queue.items();
  assert.equal((await items.next()).value, 9);
  await turn();
  assert.equal(done, false);
  assert.equal((await items.next()).value, 50);
  await pushed;
  await queue.push(1);
});
