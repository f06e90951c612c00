import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { ErrorCode } from '../../src/core/errors.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { connectMqtt } from '../../src/roles/mqtt/connection.ts';
import type { MqttOptions } from '../../src/roles/mqtt/options.ts';
import { testTls } from '../support/broker-tls.ts';
import { noMosquitto, useMosquitto } from '../support/brokers.ts';
import { manualClock } from '../support/manual-clock.ts';
import { lineTo } from '../support/mqtt.ts';
import { fakeBroker } from '../support/mqtt-wire.ts';
import { until } from '../support/turns.ts';

const TIMEOUT = { timeout: 60_000 };

/** Fails to connect, with that code, a sentence like that, and a hint. */
async function refused(options: Partial<MqttOptions>, code: ErrorCode, sentence: RegExp): Promise<void> {
  const attempt = connectMqtt({ url: '', clock: systemClock, random: nodeCrypto.random, ...options });
  await assert.rejects(attempt, (error) => {
    assert.ok(isSealwireError(error), String(error));
    assert.deepEqual([error.code, sentence.test(error.message)], [code, true], error.message);
    assert.ok(error.hint);
    assert.match(error.message, /^[^\n]+[^.:\s]\.$/);
    return true;
  });
}

/** An address where nobody listens. */
async function deserted(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) {
  test(`nothing listens: ${scheme}`, TIMEOUT, async () => {
    const url = `${scheme}://127.0.0.1:${await deserted()}`;
    await refused({ url }, 'broker-unreachable', /^Nothing listens at /);
  });
}

test('a name that nobody knows', TIMEOUT, async () => {
  await refused({ url: 'mqtt://nobody.invalid' }, 'broker-unreachable', /nobody\.invalid:1883/);
});

test('something listens and never answers', TIMEOUT, async (t) => {
  const clock = manualClock();
  const connected = Promise.withResolvers<Socket>();
  const url = await fakeBroker(t, ({ type }, socket) => {
    if (type === 'connect') connected.resolve(socket);
  });
  const attempt = refused({ url, clock, connectTimeoutMs: 7000 }, 'broker-unreachable', /no answer within 7000 ms/);
  const socket = await connected.promise;
  const hungUp = once(socket, 'close');
  clock.advance(7000);
  await attempt;
  await hungUp;
  assert.equal(clock.pending, 0);
});

for (const [version, code, reason] of [
  [4, 4, /bad username or password/],
  [4, 5, /not authorized/],
  [4, 2, /identifier rejected/],
  [5, 0x86, /bad user name or password/],
  [5, 0x87, /not authorized/],
  [5, 0x88, /server unavailable/],
] as const) {
  test(`the broker says no: MQTT ${version}, ${code}`, TIMEOUT, async (t) => {
    const url = await fakeBroker(t, ({ type }, socket) => {
      if (type === 'connect') socket.end(Uint8Array.from(version === 4 ? [32, 2, 0, code] : [32, 3, 0, code, 0]));
    });
    await refused({ url, protocolVersion: version, username: 'a', password: 'wrong' }, 'broker-refused', reason);
  });
}

test('a broker that hangs up is tried with MQTT 3.1.1, and that is kept to', TIMEOUT, async (t) => {
  const versions: number[] = [];
  const url = await fakeBroker(t, ({ type, bytes }, socket) => {
    if (type !== 'connect') return;
    const version = bytes[8] ?? 0;
    versions.push(version);
    if (version === 5) socket.destroy();
    else socket.write(Uint8Array.from([32, 2, 0, 0]));
    if (versions.length === 2) socket.end();
  });
  const { events } = await lineTo(t, url);
  await events.nth('reconnected');
  assert.deepEqual(versions, [5, 4, 4]);
});

test('a broker that hangs up whatever it is asked', TIMEOUT, async (t) => {
  const url = await fakeBroker(t, (_packet, socket) => socket.end());
  await refused({ url }, 'broker-refused', /hung up/);
});

test('what is there is no broker', TIMEOUT, async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {}).on('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
  });
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await refused({ url }, 'broker-refused', /127\.0\.0\.1/);
  await refused({ url: url.replace('mqtt:', 'ws:') }, 'broker-refused', /cannot be used|hung up/);
  await refused({ url: url.replace('mqtt:', 'mqtts:') }, 'broker-refused', /TLS|hung up/);
});

test('TLS: whom we trust, whom the broker trusts', { ...TIMEOUT, skip: noMosquitto }, async (t) => {
  const tls = await testTls(t);
  const strangers = await testTls(t);
  const { clientsFile, ...open } = tls.files;
  const broker = await useMosquitto(t, { listen: ['mqtt', 'mqtts', 'wss'], tls: open });
  for (const url of [broker.urls.mqtts ?? '', broker.urls.wss ?? '']) {
    await refused({ url }, 'broker-refused', /certificate that .* is not trusted/);
    await refused({ url, tls: { ca: strangers.ca } }, 'broker-refused', /is not trusted/);
    const byAddress = url.replace('localhost', '127.0.0.1');
    await refused({ url: byAddress, tls: { ca: tls.ca } }, 'broker-refused', /is not trusted.*127\.0\.0\.1/);
    await lineTo(t, url, { tls: { ca: tls.ca } });
  }
  const bare = broker.url.replace('mqtt:', 'mqtts:');
  await refused({ url: bare, tls: { ca: tls.ca } }, 'broker-refused', /TLS with .* failed|hung up/);
  const secret = (broker.urls.mqtts ?? '').replace('mqtts:', 'mqtt:');
  await refused({ url: secret }, 'broker-refused', /hung up/);
  await refused({ url: broker.url, tls: { ca: tls.ca } }, 'address-invalid', /without TLS/);

  const { url: strict } = await strictBroker(t, tls.files);
  const own = await tls.issue('client');
  const other = await strangers.issue('client');
  await refused({ url: strict, tls: { ca: tls.ca } }, 'broker-refused', /certificate|hung up/);
  await refused({ url: strict, tls: { ca: tls.ca, ...other } }, 'broker-refused', /certificate|hung up/);
  await refused({ url: strict, tls: { ca: tls.ca, ...own, key: other.key } }, 'certificate-invalid', /cannot be begun/);
  await lineTo(t, strict, { tls: { ca: tls.ca, ...own } });
});

async function strictBroker(t: TestContext, tls: Awaited<ReturnType<typeof testTls>>['files']) {
  const broker = await useMosquitto(t, { listen: ['mqtts'], tls });
  return { url: broker.urls.mqtts ?? '' };
}

test('an attempt that is no longer wanted leaves nothing behind', TIMEOUT, async (t) => {
  const clock = manualClock();
  let connects = 0;
  const url = await fakeBroker(t, ({ type }, socket) => {
    if (type !== 'connect') return;
    connects += 1;
    // The second one gets no answer.
    if (connects === 1) socket.end(Uint8Array.from([32, 3, 0, 0, 0]));
  });
  const { line } = await lineTo(t, url, { clock, pauseMinMs: 1000, pauseMaxMs: 1000 });
  await until(() => clock.pending > 0);
  clock.advance(1000);
  await until(() => connects === 2);
  await line.close();
  assert.equal(clock.pending, 0);
});
