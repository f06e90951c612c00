import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JoinOptions } from '../../src/apps/open-bus.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { Qos } from '../../src/core/ports.ts';
import { testTls } from '../support/broker-tls.ts';
import { noMosquitto, noNats, type TestBroker, useAedes, useMosquitto, useNats } from '../support/brokers.ts';
import { overhear } from '../support/bus.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { numbered } from '../support/messages.ts';
import { type BusActor, enterBroker, stageFor, tellOn } from '../support/mqtt-stage.ts';
import type { Stage } from '../support/stage.ts';

const timeout = 120_000;
const SCHEMES = ['mqtt', 'mqtts', 'ws', 'wss'] as const;
const VERSIONS = [4, 5] as const;

/** Messages both ways, confirmed and logged, and an end in order. */
async function converse(near: BusActor, far: BusActor): Promise<void> {
  await far.bus.subscribe('plant/+/load');
  await near.bus.subscribe('plant/orders');
  const names = { near: near.member.name, far: far.member.name };
  const texts = numbered(5);
  const logged = await tellOn(near, names.far, 'plant/7/load', 'first', { until: 'logged' });
  assert.ok(logged.logged && logged.logged.index > 0);
  await Promise.all(texts.map((text) => tellOn(near, names.far, 'plant/7/load', text, { until: 'delivered' })));
  await tellOn(far, names.near, 'plant/orders', 'slower', { until: 'delivered' });
  assert.deepEqual(
    await overhear(far, 6),
    ['first', ...texts].map((text) => `${names.near} plant/7/load: ${text}`),
  );
  assert.deepEqual(await overhear(near, 1), [`${names.far} plant/orders: slower`]);
  await Promise.all([near.bus.close(), far.bus.close()]);
  for (const { events } of [near, far]) {
    for (const type of ['refused', 'gap', 'lost', 'not-logged', 'session-lost', 'notary-trouble'] as const) {
      assert.deepEqual(events.of(type), [], type);
    }
  }
}

/** Joins as two and has them {@link converse}. */
async function meetAt(stage: Stage, url: string, names: readonly [string, string], options: JoinOptions) {
  const logging = { ...options, notary: 'notary' };
  const [near, far] = [
    await enterBroker(stage, names[0], url, logging),
    await enterBroker(stage, names[1], url, logging),
  ];
  await converse(near, far);
  await Promise.all([near.peer.close(), far.peer.close()]);
}

/** Everything that was signed is logged, and everything that was sent is confirmed by its reader. */
async function assertLedger(stage: Stage, rounds: number, names: readonly string[]): Promise<void> {
  await stage.stopNotary();
  const labels = await readLedger(stage);
  for (const name of names) {
    const { id } = stage.member(name).identity;
    assert.deepEqual(labels.unconfirmed(id), [], name);
    const ends = labels.by(id).filter(({ kind }) => kind === KIND.end);
    assert.equal(ends.length, rounds, `one session a round for ${name}`);
  }
}

test('Mosquitto: every quality of service in both versions of MQTT over TCP, TLS and WebSocket', {
  timeout,
  skip: noMosquitto,
  concurrency: SCHEMES.length,
}, async (t) => {
  const { ca, files } = await testTls(t);
  const { certificateFile, keyFile } = files;
  const broker = await useMosquitto(t, { listen: SCHEMES, tls: { certificateFile, keyFile } });
  const names = SCHEMES.map((scheme) => [`sensor-${scheme}`, `operator-${scheme}`] as const);
  const stage = await stageFor(t, names.flat());
  await stage.startNotary({ url: broker.url });
  const meetings = SCHEMES.map((scheme, i) =>
    t.test(scheme, async () => {
      const pair = names[i];
      assert.ok(pair);
      const tls = scheme === 'mqtts' || scheme === 'wss' ? { ca } : {};
      for (const qos of [0, 1, 2] as const) {
        for (const protocolVersion of VERSIONS) {
          await meetAt(stage, broker.urls[scheme] ?? '', pair, { qos, protocolVersion, tls });
        }
      }
    }),
  );
  await Promise.all(meetings);
  await assertLedger(stage, 6, names.flat());
});

/** Over a broker of MQTT 3.1.1 alone, whatever version is asked for first. */
async function oldBroker(t: TestContext, broker: TestBroker, qualities: readonly Qos[]): Promise<void> {
  const pair = ['sensor', 'operator'] as const;
  const stage = await stageFor(t, pair);
  await stage.startNotary({ url: broker.url });
  for (const qos of qualities) await meetAt(stage, broker.url, pair, { qos });
  await assertLedger(stage, qualities.length, pair);
}

test('aedes, in MQTT 3.1.1', { timeout }, async (t) => {
  await oldBroker(t, await useAedes(t), [0, 1, 2]);
});

test('NATS, in MQTT 3.1.1 and without quality of service 2', { timeout, skip: noNats }, async (t) => {
  await oldBroker(t, await useNats(t), [0, 1]);
});
