import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { UnderWay } from './under-way.ts';

const BOUNDS = { countMax: 2, bytesMax: 100 };

test('whoever gives more than may go on at once waits until something is done', async () => {
  const underWay = new UnderWay(BOUNDS, () => {});
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  assert.equal(underWay.add(first.promise, 1), undefined);
  let hasRoom = false;
  const room = underWay.add(second.promise, 1)?.then(() => {
    hasRoom = true;
  });
  await turn();
  assert.equal(hasRoom, false);
  first.resolve();
  await room;
  assert.equal(hasRoom, true);
  second.resolve();
  await underWay.done();
});

test('bytes count as well as numbers', async () => {
  const underWay = new UnderWay(BOUNDS, () => {});
  const work = Promise.withResolvers<void>();
  const room = underWay.add(work.promise, 100);
  assert.ok(room);
  work.resolve();
  await room;
  assert.equal(underWay.add(Promise.resolve(), 99), undefined);
});

test('the first failure is told at once and thrown in the end, when all is done', async () => {
  let failures = 0;
  const underWay = new UnderWay(BOUNDS, () => {
    failures += 1;
  });
  const slow = Promise.withResolvers<void>();
  underWay.add(slow.promise, 1);
  await underWay.add(Promise.reject(new Error('first')), 1);
  assert.deepEqual([failures, underWay.failed], [1, true]);
  let isDone = false;
  const done = assert.rejects(underWay.done(), /first/).then(() => {
    isDone = true;
  });
  await turn();
  assert.equal(isDone, false);
  slow.reject(new Error('second'));
  await done;
  assert.equal(failures, 2);
});
