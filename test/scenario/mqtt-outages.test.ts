import assert from 'node:assert/strict';
import { test } from 'node:test';
import mqtt from 'mqtt';
import { noMosquitto, useMosquitto } from '../support/brokers.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { manualClock } from '../support/manual-clock.ts';
import { CONNACK, lineTo, numbered, numberOf, publishAll, VERSIONS } from '../support/mqtt.ts';
import { fakeBroker, tapWire } from '../support/mqtt-wire.ts';
import { standstill, until } from '../support/turns.ts';
import { assertFlat, memory } from '../support/units.ts';

const MOSQUITTO = { timeout: 60_000, skip: noMosquitto };
const TIMEOUT = { timeout: 60_000 };

/** The numbers in the order in which each came first. */
function firsts(numbers: Iterable<number>): number[] {
  return [...new Set(numbers)];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

for (const protocolVersion of VERSIONS) {
  for (const qos of [1, 2] as const) {
    test(`the broker restarts amid 2,000 publications: MQTT ${protocolVersion}, QoS ${qos}`, MOSQUITTO, async (t) => {
      const persistenceDirectory = await temporaryDirectory(t);
      const broker = await useMosquitto(t, { persistenceDirectory });
      const session = { clean: false, clientId: 'reader', reconnectPeriod: 0 };
      const early = await mqtt.connectAsync(broker.url, session);
      await early.subscribeAsync('t', { qos });
      await early.endAsync();

      const { line, events } = await lineTo(t, broker.url, { protocolVersion, windowMax: 100 });
      const publishing = publishAll(line, 't', 1000, qos);
      await publishing;
      // Without a pause: what is under way is cut off in the middle.
      const restarted = broker.stop().then(() => broker.start());
      for (let i = 1000; i < 2000; i++) await line.publish('t', numbered(i), { qos });
      await restarted;
      await events.nth('reconnected');
      await line.close();

      const late = mqtt.connect(broker.url, session);
      const got: number[] = [];
      late.on('message', (_topic, payload) => {
        got.push(numberOf({ payload }));
      });
      await until(() => new Set(got).size === 2000);
      await late.endAsync(true);
      assert.deepEqual(firsts(got), range(2000));
    });
  }
}

test('the broker is killed and comes back: subscriptions live again', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const [reader, writer] = [await lineTo(t, broker.url), await lineTo(t, broker.url)];
  const got: string[] = [];
  for (const filter of ['a/+', 'b']) {
    await reader.line.subscribe(filter, 1, ({ topic }) => {
      got.push(topic);
    });
  }
  for (const round of [1, 2]) {
    await broker.stop('kill');
    await Promise.all([reader.events.nth('lost', round), writer.events.nth('lost', round)]);
    // It resolves once it is granted, whenever that is.
    const third = reader.line.subscribe(`c${round}`, 1, ({ topic }) => {
      got.push(topic);
    });
    await broker.start();
    await third;
    for (const topic of ['a/1', 'b', `c${round}`, 'd']) await writer.line.publish(topic, numbered(1), { qos: 1 });
    await until(() => got.length === 3 * round);
    assert.deepEqual(got.slice(-3).toSorted(), ['a/1', 'b', `c${round}`]);
  }
});

test('what cannot be made again at once is told, with pauses between', TIMEOUT, async (t) => {
  const clock = manualClock();
  let connects = 0;
  const url = await fakeBroker(t, ({ type }, socket) => {
    if (type !== 'connect') return;
    connects += 1;
    if (connects === 1 || connects === 5) socket.write(CONNACK[5]);
    if (connects < 5) socket.end();
  });
  const { events } = await lineTo(t, url, { clock, pauseMinMs: 1000, pauseMaxMs: 100_000, connectTimeoutMs: 1e9 });
  const { error } = await events.nth('lost');
  assert.equal(error.code, 'broker-unreachable');
  const pauses: number[] = [];
  for (let i = 1; i <= 3; i++) {
    await until(() => clock.pending === 1);
    clock.advance(100_000);
    const { pauseMs } = await events.nth('still-lost', i);
    pauses.push(pauseMs);
  }
  assert.ok(pauses.every((ms) => ms >= 1000 && ms <= 100_000));
  assert.equal(new Set(pauses).size, 3, 'there is no chance in them');
  clock.advance(100_000);
  await events.nth('reconnected');
  assert.equal(connects, 5);
});

test('a line that breaks off before it has taken something does not acknowledge it later', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const wire = await tapWire(t, broker.url);
  const { line, events } = await lineTo(t, wire.url, { resumeS: 0 });
  const hold = Promise.withResolvers<void>();
  const got: number[] = [];
  await line.subscribe('in', 1, async (publication) => {
    got.push(numberOf(publication));
    await hold.promise;
  });
  const { line: writer } = await lineTo(t, broker.url);
  await publishAll(writer, 'in', 2, 1);
  await wire.see('back', 'publish', 2);
  wire.cut();
  await events.nth('reconnected');
  await wire.see('back', 'suback', 2);
  hold.resolve();
  await writer.publish('in', numbered(2), { qos: 1 });
  const [last] = (await wire.see('back', 'publish', 3)).slice(-1);
  const acks = await wire.see('out', 'puback', 1);
  assert.deepEqual([got, acks.map(({ id }) => id)], [[0, 1, 2], [last?.id]]);
});

test('what a lost connection had under way goes again in order, all at once', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const wire = await tapWire(t, broker.url);
  const { line, events } = await lineTo(t, wire.url, { protocolVersion: 4, windowMax: 50 });
  wire.hold('puback');
  let published = 0;
  const publishing = (async () => {
    for (let i = 0; i < 80; i++, published++) await line.publish(`t/${i}`, numbered(i), { qos: 1 });
  })();
  await wire.see('out', 'publish', 50);
  await standstill(() => published);
  assert.ok(published < 50, 'nobody waits for room');
  wire.cut();
  await events.nth('reconnected');
  // Not one acknowledgement has come.
  const again = (await wire.see('out', 'publish', 100)).slice(50);
  assert.deepEqual(
    again.map(({ topic, dup }) => [topic, dup]),
    range(50).map((i) => [`t/${i}`, true]),
  );
  wire.release();
  await publishing;
  await line.close();
  const topics = (await wire.see('out', 'publish', 130)).slice(100).map(({ topic }) => topic);
  assert.deepEqual(
    topics,
    range(30).map((i) => `t/${50 + i}`),
  );
});

for (const protocolVersion of VERSIONS) {
  test(`two clients with one id are told so: MQTT ${protocolVersion}`, MOSQUITTO, async (t) => {
    const broker = await useMosquitto(t);
    const options = { protocolVersion, clientId: 'same' };
    const [first, second] = [await lineTo(t, broker.url, options), await lineTo(t, broker.url, options)];
    const { error } = await Promise.race([first.events.nth('client-id-taken'), second.events.nth('client-id-taken')]);
    assert.equal(error.code, 'client-id-taken');
    assert.match(error.message, /the id same/);
    await first.line.close();
    // The other one is left in peace.
    const got = Promise.withResolvers<void>();
    await second.line.subscribe('t', 1, () => got.resolve());
    await second.line.publish('t', numbered(1), { qos: 1 });
    await got.promise;
  });
}

test('at QoS 0 what is published without a connection is dropped', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const [reader, writer] = [await lineTo(t, broker.url), await lineTo(t, broker.url)];
  const got: number[] = [];
  await reader.line.subscribe('t', 0, (publication) => {
    got.push(numberOf(publication));
  });
  await broker.stop();
  await Promise.all([reader.events.nth('lost'), writer.events.nth('lost')]);
  const before = memory();
  for (let i = 0; i < 4000; i++) await writer.line.publish('t', numbered(i, 16_384), { qos: 0 });
  assertFlat(before);
  await broker.start();
  await Promise.all([reader.events.nth('reconnected'), writer.events.nth('reconnected')]);
  // The reader's own way back shows that its subscription lives again.
  await reader.line.subscribe('u', 0, () => {});
  await writer.line.publish('t', numbered(5000), { qos: 0 });
  await until(() => got.length > 0);
  assert.deepEqual(got, [5000]);
});

test('close goes on for a while to bring to its end what is under way', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const { line, events } = await lineTo(t, broker.url);
  await broker.stop();
  await events.nth('lost');
  for (let i = 0; i < 10; i++) await line.publish(`t/${i}`, numbered(i), { qos: 1, retain: true });
  const closing = line.close();
  await broker.start();
  await closing;
  const reader = await lineTo(t, broker.url);
  const got: number[] = [];
  await reader.line.subscribe('t/+', 1, (publication) => {
    got.push(numberOf(publication));
  });
  await until(() => got.length === 10);
});
