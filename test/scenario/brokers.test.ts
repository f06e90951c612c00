import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { testTls } from '../support/broker-tls.ts';
import { noMosquitto, noNats, type TestBroker, useAedes, useMosquitto, useNats } from '../support/brokers.ts';

// With a key MQTT.js would speak TLS under mqtt:// and ws:// too.
const withTls = (scheme: string, options: IClientOptions): IClientOptions =>
  scheme.endsWith('s') && scheme !== 'ws' ? options : {};

const SCHEMES = ['mqtt', 'mqtts', 'ws', 'wss'] as const;
type Qos = 0 | 1 | 2;

async function connect(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  return connectAsync(url, { reconnectPeriod: 0, ...options }, false);
}

/** One client says something to another, and it is what comes out. */
async function exchange(url: string, qos: Qos, options: IClientOptions = {}): Promise<void> {
  const [reader, writer] = await Promise.all([connect(url, options), connect(url, options)]);
  try {
    await reader.subscribeAsync('plant/+/load', { qos });
    const said = new Promise<string[]>((resolve) => {
      reader.once('message', (topic, payload) => resolve([topic, String(payload)]));
    });
    await writer.publishAsync('plant/7/load', `load at QoS ${qos}`, { qos });
    assert.deepEqual(await said, ['plant/7/load', `load at QoS ${qos}`]);
  } finally {
    await Promise.all([reader.endAsync(), writer.endAsync()]);
  }
}

async function goAwayAndComeBack(broker: TestBroker, how?: 'kill'): Promise<void> {
  const client = await connect(broker.url);
  const closed = new Promise((resolve) => client.once('close', () => resolve(undefined)));
  await broker.stop(how);
  await closed;
  await assert.rejects(connect(broker.url), /ECONNREFUSED/);
  await broker.start();
  await exchange(broker.url, 1);
}

test('Mosquitto carries every QoS in both versions of MQTT over TCP, TLS and WebSocket', {
  skip: noMosquitto,
}, async (t) => {
  const tls = await testTls(t);
  const client = { ca: tls.ca, ...(await tls.issue('sensor')) };
  const broker = await useMosquitto(t, { listen: SCHEMES, tls: tls.files });
  for (const scheme of SCHEMES) {
    for (const qos of [0, 1, 2] as const) {
      await exchange(broker.urls[scheme] ?? '', qos, { ...withTls(scheme, client), protocolVersion: 4 });
      await exchange(broker.urls[scheme] ?? '', qos, { ...withTls(scheme, client), protocolVersion: 5 });
    }
  }
});

test('and so does aedes, in MQTT 3.1.1', async (t) => {
  const tls = await testTls(t);
  const client = { ca: tls.ca, ...(await tls.issue('sensor')) };
  const broker = await useAedes(t, { listen: SCHEMES, tls: tls.files });
  for (const scheme of SCHEMES) {
    for (const qos of [0, 1, 2] as const) await exchange(broker.urls[scheme] ?? '', qos, withTls(scheme, client));
  }
  await assert.rejects(connect(broker.url, { protocolVersion: 5 }), /closed|version/i);
});

test('NATS carries QoS 0 and 1 in MQTT 3.1.1', { skip: noNats }, async (t) => {
  const broker = await useNats(t);
  for (const qos of [0, 1] as const) await exchange(broker.url, qos, { protocolVersion: 4 });
});

test('whoever shows no certificate is not let in where clients have to', { skip: noMosquitto }, async (t) => {
  const tls = await testTls(t);
  const brokers = [
    await useMosquitto(t, { listen: ['mqtts', 'wss'], tls: tls.files }),
    await useAedes(t, { listen: ['mqtts', 'wss'], tls: tls.files }),
  ];
  for (const { urls } of brokers) {
    for (const url of Object.values(urls)) {
      await assert.rejects(connect(url, { ca: tls.ca }));
      await exchange(url, 1, { ca: tls.ca, ...(await tls.issue('sensor')) });
    }
  }
});

test('a broker goes away and comes back at the same address', { skip: noMosquitto || noNats }, async (t) => {
  await goAwayAndComeBack(await useMosquitto(t));
  await goAwayAndComeBack(await useMosquitto(t), 'kill');
  await goAwayAndComeBack(await useAedes(t));
  await goAwayAndComeBack(await useNats(t), 'kill');
});
