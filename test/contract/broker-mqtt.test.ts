import { test } from 'node:test';
import { type BrokerScheme, usesTls } from '../../src/roles/mqtt/address.ts';
import type { MqttVersion } from '../../src/roles/mqtt/options.ts';
import { testTls } from '../support/broker-tls.ts';
import { noMosquitto, noNats, useAedes, useMosquitto, useNats } from '../support/brokers.ts';
import { lineTo } from '../support/mqtt.ts';
import { brokerContract } from './broker-connection.ts';

const SCHEMES: readonly BrokerScheme[] = ['mqtt', 'mqtts', 'ws', 'wss'];
const VERSIONS: readonly MqttVersion[] = [4, 5];

test('a line to Mosquitto', { skip: noMosquitto, concurrency: true }, async (t) => {
  const tls = await testTls(t);
  const { clientsFile, ...files } = tls.files;
  const broker = await useMosquitto(t, { listen: SCHEMES, tls: files });
  const ways = SCHEMES.flatMap((scheme) => VERSIONS.map((protocolVersion) => ({ scheme, protocolVersion })));
  // At once: Mosquitto looks at its WebSockets ten times a second only.
  await Promise.all(
    ways.map(({ scheme, protocolVersion }) => {
      const secrets = usesTls({ scheme }) ? { tls: { ca: tls.ca } } : {};
      return t.test(`over ${scheme}, MQTT ${protocolVersion === 4 ? '3.1.1' : '5.0'}`, (part) =>
        brokerContract(part, {
          qos: [0, 1, 2],
          ...(scheme.startsWith('ws') ? { bytesMax: 16_384 } : {}),
          connect: async () => (await lineTo(part, broker.urls[scheme] ?? '', { protocolVersion, ...secrets })).line,
        }),
      );
    }),
  );
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
