import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { testTls } from '../../test/support/broker-tls.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { startBroker } from './broker.ts';
import { readBrokerTls } from './broker-tls.ts';
import { findMosquitto } from './mosquitto.ts';

test('without a word it is one on a free port of loopback, Mosquitto where there is one', async () => {
  await using broker = await startBroker();
  assert.equal(broker.kind, findMosquitto() === undefined ? 'aedes' : 'mosquitto');
  assert.match(broker.urls.mqtt ?? '', /^mqtt:\/\/127\.0\.0\.1:[1-9]\d*$/);
  await using embedded = await startBroker({ embedded: true });
  assert.equal(embedded.kind, 'aedes');
});

test('beyond this machine it listens only with TLS and certificates of clients, unless told otherwise', async (t) => {
  const { files } = await testTls(t);
  const { clientsFile: _clientsFile, ...open } = files;
  const start = (listen: string, rest = {}) => startBroker({ listen: [listen], ...rest });
  await assert.rejects(start('mqtt://0.0.0.0:0'), {
    code: 'address-invalid',
    message: /without TLS/,
    hint: /--insecure/,
  });
  await assert.rejects(start('ws://[::]:0', { tls: files }), { code: 'address-invalid' });
  await assert.rejects(start('mqtts://0.0.0.0:0', { tls: open }), { message: /without asking for certificates/ });
  for (const embedded of [true, false]) {
    await (await start('mqtts://0.0.0.0:0', { tls: files, embedded })).stop();
    await (await start('mqtt://0.0.0.0:0', { insecure: true, embedded })).stop();
  }
});

test('a place that is taken is told, whichever broker it is', async () => {
  await using broker = await startBroker({ embedded: true });
  const [address = ''] = broker.addresses;
  for (const embedded of [true, false]) {
    await assert.rejects(startBroker({ listen: ['ws://127.0.0.1:0', address], embedded }), {
      code: 'address-invalid',
      message: `${address} is in use by another program.`,
    });
  }
});

test('TLS files are looked at before a broker is started', async (t) => {
  const { files } = await testTls(t);
  const listen = ['mqtts://127.0.0.1:0'];
  await assert.rejects(startBroker({ listen }), { code: 'usage', hint: /--cert/ });
  const start = (changes: Partial<typeof files>) => startBroker({ listen, tls: { ...files, ...changes } });
  await assert.rejects(start({ keyFile: '/does/not/exist' }), { code: 'file-unreadable' });
  await assert.rejects(start({ clientsFile: files.keyFile }), { code: 'certificate-invalid' });
  await assert.rejects(start({ certificateFile: files.clientsFile }), {
    code: 'certificate-invalid',
    message: /mismatch/,
  });
  await chmod(files.keyFile, 0o644);
  await assert.rejects(start({}), { code: 'file-exposed' });
});

test('a protected key is refused rather than asked for at a terminal that nobody watches', async (t) => {
  const { files } = await testTls(t);
  const keyFile = join(await temporaryDirectory(t), 'key');
  const body = 'MIGk\n';
  await writeFile(keyFile, `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${body}-----END ENCRYPTED PRIVATE KEY-----\n`, {
    mode: 0o600,
  });
  await assert.rejects(readBrokerTls({ ...files, keyFile }), { code: 'passphrase-required' });
});
