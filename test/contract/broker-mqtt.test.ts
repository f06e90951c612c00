import { test } from 'node:test';
import { type BrokerScheme, usesTls } from '../../src/roles/mqtt/address.ts';
import { testTls } from '../support/broker-tls.ts';
import { noMosquitto, noNats, useAedes, useMosquitto, useNats } from '../support/brokers.ts';
import { lineTo, VERSIONS } from '../support/mqtt.ts';
import { brokerContract } from './broker-connection.ts';

const SCHEMES: readonly BrokerScheme[] = ['mqtt', 'mqtts', 'ws', 'wss'];

test('a line to Mosquitto', { skip: noMosquitto }, async (t) => {
  const tls = await testTls(t);
  const { clientsFile, ...files } = tls.files;
  const broker = await useMosquitto(t, { listen: SCHEMES, tls: files });
  for (const scheme of SCHEMES) {
    const secrets = usesTls({ scheme }) ? { tls: { ca: tls.ca } } : {};
    for (const protocolVersion of VERSIONS) {
      await t.test(`over ${scheme}, MQTT ${protocolVersion === 4 ? '3.1.1' : '5.0'}`, (part) =>
        brokerContract(part, {
          qos: [0, 1, 2],
          connect: async () => (await lineTo(part, broker.urls[scheme] ?? '', { protocolVersion, ...secrets })).line,
        }),
      );
    }
  }
});

test('a line to the embedded broker', async (t) => {
  const broker = await useAedes(t, { listen: ['mqtt', 'ws'] });
  for (const url of Object.values(broker.urls)) {
    await t.test(`over ${url.replace(/:.*/, '')}`, (part) =>
      brokerContract(part, { qos: [0, 1, 2], connect: async () => (await lineTo(part, url)).line }),
    );
  }
});

test('a line to NATS', { skip: noNats }, async (t) => {
  const broker = await useNats(t);
  await brokerContract(t, { qos: [0, 1], connect: async () => (await lineTo(t, broker.url)).line });
});
