import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import mqtt from 'mqtt';
import { noMosquitto, useAedes, useMosquitto } from '../support/brokers.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { manualClock } from '../support/manual-clock.ts';
import { CONNACK, lineTo, numbered, numberOf, publishAll, VERSIONS } from '../support/mqtt.ts';
import { fakeBroker, tapWire } from '../support/mqtt-wire.ts';
import { refused } from '../support/refused.ts';
import { standstill, turn, until } from '../support/turns.ts';
import { assertFlat, memory } from '../support/units.ts';

const MOSQUITTO = { timeout: 60_000, skip: noMosquitto };
const TIMEOUT = { timeout: 60_000 };

for (const protocolVersion of VERSIONS) {
  for (const [qos, ack] of [
    [1, 'puback'],
    [2, 'pubrec'],
  ] as const) {
    const what = `nothing is acknowledged before it is taken: MQTT ${protocolVersion}, QoS ${qos}`;
    test(what, MOSQUITTO, async (t) => {
      const broker = await useMosquitto(t);
      const wire = await tapWire(t, broker.url);
      const { line } = await lineTo(t, wire.url, { protocolVersion });
      const taking: PromiseWithResolvers<void>[] = [];
      const got: number[] = [];
      await line.subscribe('in', qos, async (publication) => {
        got.push(numberOf(publication));
        const turnOfIt = Promise.withResolvers<void>();
        taking.push(turnOfIt);
        await turnOfIt.promise;
      });
      const { line: writer } = await lineTo(t, broker.url);
      for (let i = 0; i < 3; i++) await writer.publish('in', numbered(i), { qos });
      const came = await wire.see('back', 'publish', 3);
      // Meanwhile the line is alive: what comes behind is read.
      await line.publish('out', numbered(9), { qos: 1 });
      await wire.see('back', 'puback', 1);
      assert.deepEqual(got, [0]);
      assert.equal(wire.count('out', ack), 0);
      for (let i = 0; i < 3; i++) {
        await until(() => taking.length === i + 1);
        taking[i]?.resolve();
        const acks = await wire.see('out', ack, i + 1);
        assert.deepEqual(
          acks.map(({ id }) => id),
          came.slice(0, i + 1).map(({ id }) => id),
        );
      }
      if (qos === 2) await wire.see('out', 'pubcomp', 3);
      assert.deepEqual(got, [0, 1, 2]);
    });
  }
}

test('no more is under way than the broker takes at once', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t, { inflightMessagesMax: 3 });
  const wire = await tapWire(t, broker.url);
  const { line } = await lineTo(t, wire.url, { protocolVersion: 5 });
  wire.hold('puback', 'pubcomp');
  const publishing = Array.from({ length: 20 }, (_, i) => line.publish('t', numbered(i), { qos: i % 2 ? 2 : 1 }));
  await wire.see('out', 'publish', 3);
  await standstill(() => wire.seen.length);
  assert.equal(wire.count('out', 'publish'), 3);
  wire.release();
  await Promise.all(publishing);
  await wire.see('back', 'pubcomp', 10);
  let underWay = 0;
  for (const { way, packet } of wire.seen) {
    if (way === 'out' && packet.type === 'publish') underWay += 1;
    if (way === 'back' && /^pub(ack|comp)$/.test(packet.type)) underWay -= 1;
    assert.ok(underWay <= 3, `${underWay} are under way`);
  }
});

test('a slow reader’s memory stays flat, and it goes on with what is next', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  for (const qos of [0, 1] as const) {
    const [reader, writer] = [await lineTo(t, broker.url), await lineTo(t, broker.url)];
    const hold = Promise.withResolvers<void>();
    let next = 0;
    await reader.line.subscribe(`t${qos}`, qos, async (publication) => {
      await hold.promise;
      assert.equal(numberOf(publication), next++);
    });
    const before = memory();
    for (let i = 0; i < 800; i++) await writer.line.publish(`t${qos}`, numbered(i, 65_536), { qos });
    await standstill(() => process.memoryUsage().arrayBuffers);
    assertFlat(before);
    hold.resolve();
    await until(() => next === 800);
    assert.deepEqual([reader.events.all, writer.events.all], [[], []]);
  }
});

test('a slow reader does not lose its connection', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const wire = await tapWire(t, broker.url);
  const { line, events } = await lineTo(t, wire.url, { keepaliveS: 1, intakeMax: 1 });
  const hold = Promise.withResolvers<void>();
  let taken = 0;
  await line.subscribe('t', 0, async () => {
    taken += 1;
    await hold.promise;
  });
  const { line: writer } = await lineTo(t, broker.url);
  await publishAll(writer, 't', 10, 0);
  // Three seconds at least: MQTT.js gives up after one and a half without an answer, the broker without a question.
  await wire.see('out', 'pingreq', 6);
  assert.deepEqual([taken, events.all], [1, []]);
  hold.resolve();
  await until(() => taken === 10);
});

test('a broker that acknowledges nothing makes publish wait, and close for a while', TIMEOUT, async (t) => {
  const goodbye = Promise.withResolvers<void>();
  const url = await fakeBroker(t, ({ type }, socket) => {
    if (type === 'connect') socket.write(CONNACK[5]);
    if (type === 'disconnect') goodbye.resolve();
  });
  const clock = manualClock();
  const { line } = await lineTo(t, url, { clock, windowMax: 10, windowBytesMax: 100_000 });
  const fill = async (bytes: number): Promise<void> => {
    for (;;) {
      await line.publish('t', new Uint8Array(bytes), { qos: 1 });
      published += 1;
    }
  };
  let published = 0;
  const waiting = refused(fill(60_000), 'session-closed', /closed/);
  await standstill(() => published);
  assert.equal(published, 1);
  const closing = line.close();
  await turn();
  clock.advance(5000);
  await Promise.all([closing, waiting, goodbye.promise]);
  assert.equal(clock.pending, 0);
});

test('who takes may publish more than is let under way', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const { line } = await lineTo(t, broker.url, { windowMax: 3 });
  let answers = 0;
  await line.subscribe('answer', 1, () => {
    answers += 1;
  });
  await line.subscribe('ask', 1, () => publishAll(line, 'answer', 50, 1));
  await publishAll(line, 'ask', 5, 1);
  await until(() => answers === 250);
});

test('what the broker does not let us do is told', MOSQUITTO, async (t) => {
  const aclFile = join(await temporaryDirectory(t), 'acl');
  await writeFile(aclFile, 'topic read #\ntopic write free\n', { mode: 0o600 });
  const broker = await useMosquitto(t, { aclFile });
  const { line, events } = await lineTo(t, broker.url, { protocolVersion: 5 });
  const got: string[] = [];
  await line.subscribe('#', 1, ({ topic }) => {
    got.push(topic);
  });
  for (const topic of ['free', 'secret', 'free']) await line.publish(topic, numbered(1), { qos: 1 });
  const { topic, error } = await events.nth('publication-refused');
  assert.deepEqual([topic, error.code], ['secret', 'broker-refused']);
  await until(() => got.length === 2);
  assert.deepEqual(got, ['free', 'free']);
});

for (const [version, code] of [
  [4, 0x80],
  [5, 0x87],
] as const) {
  test(`a subscription that is refused, at once and later: MQTT ${version}`, TIMEOUT, async (t) => {
    const refuses = new Set(['secret']);
    const url = await fakeBroker(t, ({ type, bytes, id }, socket) => {
      if (type === 'connect') socket.write(CONNACK[version]);
      if (type !== 'subscribe') return;
      const isRefused = Array.from(refuses).some((filter) => bytes.includes(filter));
      const granted = isRefused ? code : 1;
      const body = [id >> 8, id & 255, ...(version === 5 ? [0] : []), granted];
      socket.write(Uint8Array.from([0x90, body.length, ...body]));
      if (bytes.includes('last')) socket.end();
    });
    const { line, events } = await lineTo(t, url, { protocolVersion: version });
    const { qos } = await line.subscribe('open', 2, () => {});
    assert.equal(qos, 1);
    await refused(
      line.subscribe('secret', 1, () => {}),
      'broker-refused',
      /subscription of secret/,
    );
    refuses.add('open');
    await line.subscribe('last', 1, () => {});
    const { filter, error } = await events.nth('subscription-refused');
    assert.deepEqual([filter, error.code], ['open', 'broker-refused']);
  });
}

test('a broker that does not answer a subscription', TIMEOUT, async (t) => {
  const clock = manualClock();
  const asked = Promise.withResolvers<void>();
  const url = await fakeBroker(t, ({ type }, socket) => {
    if (type === 'connect') socket.write(CONNACK[5]);
    if (type === 'subscribe') asked.resolve();
  });
  const { line } = await lineTo(t, url, { clock, connectTimeoutMs: 3000 });
  const attempt = refused(
    line.subscribe('t', 1, () => {}),
    'broker-refused',
    /no answer within 3000 ms/,
  );
  await asked.promise;
  clock.advance(3000);
  await attempt;
  await line.close();
  assert.equal(clock.pending, 0);
});

test('who unsubscribes does not wait for a connection that is gone', TIMEOUT, async (t) => {
  const clock = manualClock();
  const url = await fakeBroker(t, ({ type, id }, socket) => {
    if (type === 'connect') socket.write(CONNACK[4]);
    if (type === 'subscribe') socket.write(Uint8Array.from([0x90, 3, id >> 8, id & 255, 1]));
    if (type === 'unsubscribe') socket.end();
  });
  const { line } = await lineTo(t, url, { clock, protocolVersion: 4 });
  const subscription = await line.subscribe('t', 1, () => {});
  await subscription.unsubscribe();
  await line.close();
  await subscription.unsubscribe();
});

test('a packet that says it is enormous costs the broker its connection, not us our memory', TIMEOUT, async (t) => {
  const before = memory();
  let connects = 0;
  const url = await fakeBroker(t, ({ type }, socket) => {
    if (type !== 'connect') return;
    connects += 1;
    socket.write(CONNACK[4]);
    if (connects > 1) return;
    socket.write(Uint8Array.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
    const flood = (): void => void (socket.destroyed || socket.write(new Uint8Array(65_536), flood));
    flood();
  });
  const { events } = await lineTo(t, url, { protocolVersion: 4 });
  const { error } = await events.nth('lost');
  assert.match(error.message, /over the bound/);
  await events.nth('reconnected');
  assertFlat(before);
});

for (const protocolVersion of VERSIONS) {
  test(`publications larger than ours may be are passed over: MQTT ${protocolVersion}`, MOSQUITTO, async (t) => {
    const broker = await useMosquitto(t);
    const { line, events } = await lineTo(t, broker.url, { protocolVersion });
    const got: number[] = [];
    await line.subscribe('t', 1, ({ payload }) => {
      got.push(payload.length);
    });
    const foreign = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    for (const size of [131_072, 131_073, 1_000_000, 10]) {
      await foreign.publishAsync('t', Buffer.alloc(size), { qos: 1 });
    }
    await until(() => got.length === 2);
    await foreign.endAsync(true);
    assert.deepEqual(got, [131_072, 10]);
    assert.ok(events.all.every(({ type }) => type === 'publication-ignored'));
    const { error } = await events.nth('publication-ignored');
    assert.match(error.message, /^131073 bytes/);
  });
}

test('what is larger than the broker takes is refused', TIMEOUT, async (t) => {
  // Maximum Packet Size 1000.
  const connack = Uint8Array.from([32, 8, 0, 0, 5, 0x27, 0, 0, 3, 0xe8]);
  const published = Promise.withResolvers<number>();
  const url = await fakeBroker(t, ({ type, bytes }, socket) => {
    if (type === 'connect') socket.write(connack);
    if (type === 'publish') published.resolve(bytes.length);
  });
  const { line } = await lineTo(t, url, { closeTimeoutMs: 1 });
  await refused(line.publish('t', new Uint8Array(1000), { qos: 1 }), 'too-large', /packets of 1000 bytes/);
  await line.publish('t', new Uint8Array(980), { qos: 0 });
  assert.ok((await published.promise) <= 1000);
});

test('a reader that throws is told of, and the next publication comes', TIMEOUT, async (t) => {
  const broker = await useAedes(t);
  const { line, events } = await lineTo(t, broker.url);
  let others = 0;
  await line.subscribe('t', 1, () => {
    throw new Error('at once');
  });
  await line.subscribe('t', 1, () => Promise.reject(new Error('later')));
  await line.subscribe('t', 1, () => {
    others += 1;
  });
  await publishAll(line, 't', 2, 1);
  await until(() => others === 2);
  const failures = events.all.filter((event) => event.type === 'take-failed').map(({ error }) => String(error));
  assert.deepEqual(failures, ['Error: at once', 'Error: later', 'Error: at once', 'Error: later']);
});
