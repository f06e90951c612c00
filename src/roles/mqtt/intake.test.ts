import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { turn, until } from '../../../test/support/turns.ts';
import { type Arrival, Intake } from './intake.ts';

function setUp(bounds: { readonly countMax: number; readonly bytesMax: number }, isSlow = true) {
  const seen: string[] = [];
  const turns: (() => void)[] = [];
  const intake = new Intake({
    ...bounds,
    turn,
    take: ({ topic }) => {
      seen.push(`${topic} begins`);
      return isSlow ? new Promise((resolve) => turns.push(resolve)) : undefined;
    },
    onRoom: () => seen.push('room'),
  });
  const arrival = (topic: string, bytes = 1): Arrival => ({
    publication: { topic, payload: new Uint8Array(bytes), retained: false },
    taken: () => seen.push(`${topic} is taken`),
  });
  const next = async (): Promise<void> => {
    turns.shift()?.();
    await turn();
  };
  return { intake, seen, arrival, next };
}

suite('the intake', () => {
  test('has publications taken one after the other', async () => {
    const { intake, seen, arrival, next } = setUp({ countMax: 10, bytesMax: 1000 });
    for (const topic of 'abc') assert.equal(intake.offer(arrival(topic)), true);
    assert.deepEqual(seen, ['a begins']);
    for (let i = 0; i < 3; i++) await next();
    assert.deepEqual(seen, ['a begins', 'a is taken', 'b begins', 'b is taken', 'c begins', 'c is taken']);
  });

  test('who takes at once has it taken at once', () => {
    const { intake, seen, arrival } = setUp({ countMax: 1, bytesMax: 1 }, false);
    for (const topic of 'ab') assert.equal(intake.offer(arrival(topic)), true);
    assert.deepEqual(seen, ['a begins', 'a is taken', 'b begins', 'b is taken']);
  });

  for (const [what, bounds] of [
    ['number', { countMax: 2, bytesMax: 1000 }],
    ['bytes', { countMax: 1000, bytesMax: 15 }],
  ] as const) {
    test(`is bounded in ${what}, and says when there is room`, async () => {
      const { intake, seen, arrival, next } = setUp(bounds);
      assert.deepEqual(
        [...'abc'].map((topic) => intake.offer(arrival(topic, 10))),
        [true, true, false],
      );
      await next();
      assert.deepEqual(seen, ['a begins', 'a is taken', 'room', 'b begins']);
      assert.equal(intake.offer(arrival('c', 10)), true);
      await next();
      assert.equal(seen.includes('c begins'), true);
      assert.equal(seen.filter((word) => word === 'room').length, 1);
    });
  }

  test('work that never waits lets the loop turn now and then', async () => {
    let [taken, takenInOneTurn, mostInOneTurn] = [0, 0, 0];
    const intake = new Intake({
      countMax: 1000,
      bytesMax: 10_000_000,
      turn: () => {
        takenInOneTurn = 0;
        return turn();
      },
      take: () => Promise.resolve(),
      onRoom: () => {},
    });
    const taking = () => {
      taken += 1;
      takenInOneTurn += 1;
      mostInOneTurn = Math.max(mostInOneTurn, takenInOneTurn);
    };
    const payload = new Uint8Array(1024);
    for (let i = 0; i < 100; i++) {
      intake.offer({ publication: { topic: 'a', payload, retained: false }, taken: taking });
    }
    await until(() => taken === 100);
    assert.equal(mostInOneTurn, 32, '32 KiB');
  });

  test('once closed it drops what waits and acknowledges nothing', async () => {
    const { intake, seen, arrival, next } = setUp({ countMax: 2, bytesMax: 1000 });
    for (const topic of 'abc') intake.offer(arrival(topic));
    intake.close();
    assert.equal(intake.offer(arrival('d')), true);
    await next();
    assert.deepEqual(seen, ['a begins', 'room']);
  });
});
