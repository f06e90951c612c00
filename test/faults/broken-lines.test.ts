import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import mqtt from 'mqtt';
import { noMosquitto, useAedes, useMosquitto } from '../support/brokers.ts';
import { isInbox, overhear } from '../support/bus.ts';
import { linkTo } from '../support/link/link.ts';
import type { LinkPlan } from '../support/link/plan.ts';
import { numbered as texts } from '../support/messages.ts';
import { lineTo, numbered, numberOf } from '../support/mqtt.ts';
import { enterBroker, stageFor, tellOn } from '../support/mqtt-stage.ts';
import { tapWire } from '../support/mqtt-wire.ts';
import { thirdParty } from '../support/third-party.ts';
import { until } from '../support/turns.ts';

const MOSQUITTO = { timeout: 60_000, skip: noMosquitto };
const TIMEOUT = { timeout: 60_000 };

/** Bit 1 of CONNECT's flags (MQTT 5.0, section 3.1.2.4), behind a header of 2 bytes and the name and level of the protocol. */
function startsClean({ bytes }: { readonly bytes: Uint8Array }): boolean {
  return ((bytes[9] ?? 0) & 2) !== 0;
}

test('what comes while a line is broken waits at a broker of MQTT 5.0', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const link = await linkTo(t, broker.url);
  const { line: reader, events } = await lineTo(t, link.url, { protocolVersion: 5 });
  const { line: writer } = await lineTo(t, broker.url);
  const got: number[] = [];
  await reader.subscribe('t', 1, (publication) => void got.push(numberOf(publication)));
  for (let round = 0; round < 3; round++) {
    link.down();
    link.cut(round === 1 ? 'end' : 'reset');
    await events.nth('lost', round + 1);
    for (let i = 0; i < 50; i++) await writer.publish('t', numbered(50 * round + i), { qos: 1 });
    // The broker has taken them all.
    await writer.subscribe(`u/${round}`, 1, () => {});
    link.up();
    await until(() => new Set(got).size === 50 * (round + 1));
  }
  // What was not acknowledged before a cut comes again after it.
  assert.deepEqual(
    [...new Set(got)],
    Array.from({ length: 150 }, (_, i) => i),
  );
});

test('what comes at QoS 2 while a line is broken waits too', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const link = await linkTo(t, broker.url);
  const { line: reader, events } = await lineTo(t, link.url, { protocolVersion: 5 });
  const { line: writer } = await lineTo(t, broker.url);
  const got: number[] = [];
  await reader.subscribe('t', 2, (publication) => void got.push(numberOf(publication)));
  for (let round = 0; round < 3; round++) {
    link.down();
    link.cut('reset');
    await events.nth('lost', round + 1);
    for (let i = 0; i < 50; i++) await writer.publish('t', numbered(50 * round + i), { qos: 2 });
    await writer.subscribe(`u/${round}`, 1, () => {});
    link.up();
    await until(() => new Set(got).size === 50 * (round + 1));
  }
});

test('nothing is kept for a line that was closed', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const { line } = await lineTo(t, broker.url, { protocolVersion: 5, clientId: 'gone' });
  await line.subscribe('t', 1, () => {});
  await line.close();
  const late = mqtt.connect(broker.url, { clientId: 'gone', protocolVersion: 5, clean: false, reconnectPeriod: 0 });
  t.after(() => late.endAsync(true));
  const sessionPresent = await new Promise((resolve) =>
    late.on('connect', (connack) => resolve(connack.sessionPresent)),
  );
  assert.equal(sessionPresent, false);
});

test('a line goes on in its session, but not after QoS 2, whose ids it has forgotten', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const wire = await tapWire(t, broker.url);
  const { line, events } = await lineTo(t, wire.url, { protocolVersion: 5 });
  await line.publish('t', numbered(1), { qos: 1 });
  wire.cut();
  await events.nth('reconnected', 1);
  await line.publish('t', numbered(2), { qos: 2 });
  wire.cut();
  await events.nth('reconnected', 2);
  const connects = await wire.see('out', 'connect', 3);
  assert.deepEqual(connects.map(startsClean), [true, false, true]);
});

test('what nobody reads any more is left, also where the line was broken just then', MOSQUITTO, async (t) => {
  const broker = await useMosquitto(t);
  const link = await linkTo(t, broker.url);
  const wire = await tapWire(t, link.url);
  const { line, events } = await lineTo(t, wire.url, { protocolVersion: 5 });
  const subscription = await line.subscribe('left', 1, () => {});
  const got: string[] = [];
  await line.subscribe('kept', 1, ({ topic }) => void got.push(topic));
  link.down();
  link.cut();
  await events.nth('lost');
  await subscription.unsubscribe();
  link.up();
  await wire.see('back', 'unsuback', 1);
  const { line: writer } = await lineTo(t, broker.url);
  for (const topic of ['left', 'kept']) await writer.publish(topic, numbered(1), { qos: 1 });
  await until(() => got.length === 1);
  const topics = (await wire.see('back', 'publish', 1)).map(({ topic }) => topic);
  assert.deepEqual(topics, ['kept']);
});

const COUNT = 200;

/** Messages over lines that the plan breaks, on both sides, one call at a time; everything comes once and in order. */
async function talkOver(t: TestContext, url: string, plan: LinkPlan, protocolVersion: 4 | 5): Promise<void> {
  const stage = await stageFor(t, ['sensor', 'operator']);
  const [near, far] = [await linkTo(t, url, { ...plan, seed: 21 }), await linkTo(t, url, { ...plan, seed: 22 })];
  const options = { protocolVersion, tuning: { batchMax: 1, resendMs: 50 } };
  const sensor = await enterBroker(stage, 'sensor', near.url, options);
  const operator = await enterBroker(stage, 'operator', far.url, options);
  await operator.bus.subscribe('plant/#');
  const watching = await thirdParty(t, url, { protocolVersion });
  const heard = overhear(operator, COUNT);
  const sent = texts(COUNT).map((text) => tellOn(sensor, 'operator', 'plant/load', text, { until: 'delivered' }));
  await Promise.all(sent);
  assert.deepEqual(
    await heard,
    texts(COUNT).map((text) => `sensor plant/load: ${text}`),
  );
  for (const link of [near, far]) {
    assert.ok(link.count('cut') > 0, 'a line was never cut');
    link.calm();
  }
  // message_1 to message_4: the session has lived through it all.
  assert.equal(
    new Set(
      watching.heard
        .filter((one) => isInbox(one, 'handshake'))
        .map(({ payload }) => Buffer.from(payload).toString('hex')),
    ).size,
    4,
  );
  for (const { events } of [sensor, operator]) {
    for (const type of ['gap', 'lost', 'session-lost'] as const) assert.deepEqual(events.of(type), []);
  }
  await Promise.all([sensor.bus.close(), operator.bus.close()]);
}

/** A frame with one message takes about 700 bytes on the wire, so lines break a few times. */
const BREAKING: LinkPlan = {
  delayMs: 2,
  cut: { afterBytes: [15_000, 60_000] },
  stall: { afterBytes: [5_000, 20_000], forMs: [1, 20] },
  duplicateOneIn: 10,
  reorderOneIn: 10,
  faultsMax: 8,
};

test('a session outlives its lines: Mosquitto, MQTT 5', MOSQUITTO, async (t) => {
  await talkOver(t, (await useMosquitto(t)).url, BREAKING, 5);
});

// MQTT 3.1.1 keeps nothing meanwhile: what is lost then takes until a receipt is missed, so lines break less often.
test('a session outlives its lines: Mosquitto, MQTT 3.1.1', MOSQUITTO, async (t) => {
  await talkOver(t, (await useMosquitto(t)).url, { ...BREAKING, faultsMax: 2 }, 4);
});

test('a session outlives its lines: aedes', TIMEOUT, async (t) => {
  await talkOver(t, (await useAedes(t)).url, { ...BREAKING, faultsMax: 2 }, 4);
});
