import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hostileBroker } from '../../test/support/hostile-broker.ts';
import { standstill, until } from '../../test/support/turns.ts';
import { assertFlat, memory } from '../../test/support/units.ts';
import { type MemoryBrokerOptions, memoryBroker, type Published } from './memory-broker.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** Publishes 1 to 6 on topic `t` through a broker that tampers, and gives the first bytes that arrive, `last` times. */
async function through(tamper: Parameters<ReturnType<typeof hostileBroker>['tamper']>[0], last: number) {
  const broker = hostileBroker();
  broker.tamper(tamper);
  const got: string[] = [];
  const line = broker.connect('a');
  await line.subscribe('#', 1, ({ topic, payload }) => {
    got.push(`${topic}${payload[0]}`);
  });
  for (let i = 1; i <= 6; i++) await line.publish('t', bytes(i), { qos: 1 });
  await until(() => got.length >= last);
  return { got, broker };
}

suite('the broker in memory', () => {
  const options: MemoryBrokerOptions = { queueMax: 10, queueBytesMax: 1_000_000 };

  for (const [what, size, most] of [
    ['number', 1, 10],
    ['bytes', 131_072, 8],
  ] as const) {
    test(`a reader that takes nothing makes those wait who publish to it, by ${what}`, async () => {
      const broker = memoryBroker({ ...options, queueMax: what === 'number' ? 10 : 1000 });
      const [writer, slow] = [broker.connect(), broker.connect()];
      const hold = Promise.withResolvers<void>();
      const got: number[] = [];
      await slow.subscribe('t', 1, async ({ payload }) => {
        await hold.promise;
        got.push(payload[0] ?? -1);
      });
      const before = memory();
      let sent = 0;
      const sending = (async () => {
        for (; sent < 200; sent++) await writer.publish('t', new Uint8Array(size).fill(sent), { qos: 1 });
      })();
      await standstill(() => sent);
      assert.equal(sent, most);
      assertFlat(before);
      hold.resolve();
      await sending;
      await until(() => got.length === 200);
      assert.deepEqual(
        got,
        Array.from({ length: 200 }, (_, i) => i),
      );
    });
  }

  test('a slow reader that closes lets those go on who publish to it', async () => {
    const broker = memoryBroker(options);
    const [writer, slow] = [broker.connect(), broker.connect()];
    await slow.subscribe('t', 1, () => new Promise(() => {}));
    let sent = 0;
    const sending = (async () => {
      for (; sent < 50; sent++) await writer.publish('t', bytes(sent), { qos: 1 });
    })();
    await standstill(() => sent);
    await slow.close();
    await sending;
  });

  test('so many topics retain something and no more', async () => {
    const line = memoryBroker({ retainedMax: 2 }).connect();
    for (const topic of ['a', 'b', 'c', 'a']) await line.publish(topic, bytes(1), { qos: 1, retain: true });
    const got: string[] = [];
    await line.subscribe('#', 1, ({ topic }) => {
      got.push(topic);
    });
    await line.publish('end', bytes(1), { qos: 1 });
    await until(() => got.includes('end'));
    assert.deepEqual(got, ['a', 'b', 'end']);
  });

  test('each reader has bytes of its own', async () => {
    const line = memoryBroker().connect();
    const got: number[] = [];
    for (let i = 0; i < 2; i++) {
      await line.subscribe('t', 1, ({ payload }) => {
        got.push(payload[0] ?? -1);
        payload.fill(9);
      });
    }
    await line.publish('t', bytes(1), { qos: 1 });
    await until(() => got.length === 2);
    assert.deepEqual(got, [1, 1]);
  });
});

suite('a hostile broker in memory', () => {
  test('drops', async () => {
    const { got } = await through((published, deliver) => {
      if ((published.payload[0] ?? 0) % 2 === 0) deliver(published);
    }, 3);
    assert.deepEqual(got, ['t2', 't4', 't6']);
  });

  test('doubles', async () => {
    const { got } = await through((published, deliver) => {
      deliver(published);
      deliver(published);
    }, 12);
    assert.deepEqual(got.slice(0, 4), ['t1', 't1', 't2', 't2']);
  });

  test('delays and reorders', async () => {
    const held: Published[] = [];
    const { got } = await through((published, deliver) => {
      held.unshift(published);
      if (held.length === 6) held.forEach(deliver);
    }, 6);
    assert.deepEqual(got, ['t6', 't5', 't4', 't3', 't2', 't1']);
  });

  test('alters and moves to another topic', async () => {
    const { got, broker } = await through((published, deliver) => {
      deliver({ ...published, topic: 'u', payload: bytes((published.payload[0] ?? 0) + 100) });
    }, 6);
    assert.deepEqual(got.slice(0, 2), ['u101', 'u102']);
    assert.deepEqual(
      broker.seen.slice(0, 2).map(({ topic, payload, from }) => [topic, payload[0], from]),
      [
        ['t', 1, 'a'],
        ['t', 2, 'a'],
      ],
    );
  });

  test('replays and makes up', async () => {
    const { got, broker } = await through(undefined, 6);
    const [second] = await broker.see(1, ({ payload }) => payload[0] === 2);
    assert.ok(second);
    await broker.replay(second);
    await broker.publishRaw({ topic: 'made/up', payload: bytes(7), retained: true });
    await until(() => got.length === 8);
    assert.deepEqual(got.slice(6), ['t2', 'made/up7']);
  });
});
