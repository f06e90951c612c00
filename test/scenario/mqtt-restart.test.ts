import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { KIND } from '../../src/core/kinds.ts';
import { noMosquitto, type TestBroker, useAedes, useMosquitto } from '../support/brokers.ts';
import { overhear } from '../support/bus.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { numbered } from '../support/messages.ts';
import { type BusActor, enterBroker, stageFor, tellOn } from '../support/mqtt-stage.ts';
import { turn } from '../support/turns.ts';

const timeout = 60_000;
const COUNT = 120;
/** How many are confirmed when the broker falls, the first time and the second. */
const FALLS = [30, 70];

/** Sends one after the other, a turn of the loop apart, and tells how many are confirmed. */
function stream(sensor: BusActor, texts: readonly string[]) {
  let confirmed = 0;
  let change = Promise.withResolvers<void>();
  const sending = (async () => {
    const sent: Promise<void>[] = [];
    for (const text of texts) {
      const delivered = tellOn(sensor, 'operator', 'plant/load', text, { until: 'delivered' });
      sent.push(
        delivered.then(() => {
          confirmed += 1;
          change.resolve();
          change = Promise.withResolvers();
        }),
      );
      await turn();
      // A frame each, and not all of them under way at once.
      while (sent.length - confirmed > 8) await change.promise;
    }
    await Promise.all(sent);
  })();
  return {
    done: sending,
    confirmed: async (count: number) => {
      while (confirmed < count) await Promise.race([change.promise, sending]);
    },
  };
}

async function fallsAndRises(t: TestContext, broker: TestBroker, how?: 'kill'): Promise<void> {
  const stage = await stageFor(t, ['sensor', 'operator']);
  await stage.startNotary({ url: broker.url });
  const options = { notary: 'notary', tuning: { batchMax: 1 } };
  const [sensor, operator] = [
    await enterBroker(stage, 'sensor', broker.url, options),
    await enterBroker(stage, 'operator', broker.url, options),
  ];
  await operator.bus.subscribe('plant/#');
  const texts = numbered(COUNT);
  const heard = overhear(operator, COUNT);
  const streaming = stream(sensor, texts);
  for (const count of FALLS) {
    await streaming.confirmed(count);
    await broker.stop(how);
    await broker.start();
  }
  // What was confirmed has arrived, and so does all the rest: once, and in order.
  await streaming.done;
  assert.deepEqual(
    await heard,
    texts.map((text) => `sensor plant/load: ${text}`),
  );
  await tellOn(operator, 'sensor', 'plant/orders', 'enough', { until: 'delivered' });
  for (const { events } of [sensor, operator]) {
    assert.equal(events.of('broker').filter(({ event }) => event.type === 'reconnected').length, FALLS.length);
    for (const type of ['gap', 'lost', 'session-lost', 'not-logged'] as const) assert.deepEqual(events.of(type), []);
  }
  await Promise.all([sensor.bus.close(), operator.bus.close()]);
  await stage.stopNotary();

  // What the notary did not hear was handed in.
  const labels = await readLedger(stage);
  const { id } = sensor.member.identity;
  assert.ok(labels.by(id).filter(({ kind }) => kind === KIND.message).length >= COUNT);
  assert.deepEqual(labels.unconfirmed(id), []);
}

test('Mosquitto is killed and started anew in the middle of a stream, twice', {
  timeout,
  skip: noMosquitto,
}, async (t) => {
  await fallsAndRises(t, await useMosquitto(t), 'kill');
});

test('aedes is stopped and started anew in the middle of a stream, twice', { timeout }, async (t) => {
  await fallsAndRises(t, await useAedes(t));
});
