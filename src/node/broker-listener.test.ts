import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { isLoopback, listenAt, parseListener, probeListeners, usesTls } from './broker-listener.ts';

test('places where a broker listens are taken apart', () => {
  assert.deepEqual(parseListener('mqtt://127.0.0.1:0'), { scheme: 'mqtt', host: '127.0.0.1', port: 0 });
  assert.deepEqual(parseListener('mqtts://[::1]:8883'), { scheme: 'mqtts', host: '::1', port: 8883 });
  // URLs leave the usual port out where it was written.
  assert.deepEqual(parseListener('ws://localhost:80'), { scheme: 'ws', host: 'localhost', port: 80 });
  assert.deepEqual(parseListener('wss://localhost:443'), { scheme: 'wss', host: 'localhost', port: 443 });
  for (const wrong of ['mqtt://127.0.0.1', 'tcp://127.0.0.1:1', 'mqtt://127.0.0.1:1/x', 'mqtt://:1', 'mqtt:1', '']) {
    assert.throws(() => parseListener(wrong), { code: 'address-invalid' }, wrong);
  }
});

test('what is loopback and what has TLS beneath', () => {
  const of = (text: string): [boolean, boolean] => {
    const listener = parseListener(text);
    return [isLoopback(listener), usesTls(listener)];
  };
  assert.deepEqual(of('mqtt://127.0.0.1:1'), [true, false]);
  assert.deepEqual(of('wss://127.9.9.9:1'), [true, true]);
  assert.deepEqual(of('mqtts://[::1]:1'), [true, true]);
  assert.deepEqual(of('ws://localhost:1'), [true, false]);
  assert.deepEqual(of('mqtt://0.0.0.0:1'), [false, false]);
  assert.deepEqual(of('mqtt://[::]:1'), [false, false]);
  assert.deepEqual(of('mqtt://127.0.0.1.example.com:1'), [false, false]);
});

test('free ports are found, all different, and what is taken is told', async () => {
  const anywhere = parseListener('mqtt://127.0.0.1:0');
  const found = await probeListeners([anywhere, anywhere, anywhere]);
  assert.equal(new Set(found.map(({ port }) => port)).size, 3);
  assert.ok(found.every(({ port }) => port > 0));
  const server = createServer();
  const port = await listenAt(server, anywhere);
  await assert.rejects(probeListeners([anywhere, { ...anywhere, port }]), {
    code: 'address-invalid',
    message: `mqtt://127.0.0.1:${port} is in use by another program.`,
  });
  server.close();
  assert.deepEqual(await probeListeners([{ ...anywhere, port }]), [{ ...anywhere, port }]);
});
