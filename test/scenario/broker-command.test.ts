import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { connectAsync, type IClientOptions } from 'mqtt';
import { testTls } from '../support/broker-tls.ts';
import { noMosquitto } from '../support/brokers.ts';
import { runSealwire } from '../support/child.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { RunningCommand } from '../support/running.ts';

/** A plain MQTT client says something to itself; what it heard. */
async function echo(url: string, options: IClientOptions = {}): Promise<string> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options }, false);
  try {
    await client.subscribeAsync('greeting', { qos: 2 });
    const heard = new Promise<string>((resolve) => {
      client.once('message', (_topic, payload) => resolve(String(payload)));
    });
    await client.publishAsync('greeting', 'hello', { qos: 2 });
    return await heard;
  } finally {
    await client.endAsync();
  }
}

const KINDS = [
  { kind: 'mosquitto', flags: [], skip: noMosquitto },
  { kind: 'aedes', flags: ['--embedded'], skip: false },
] as const;

for (const { kind, flags, skip } of KINDS) {
  test(`\`sealwire broker\` runs ${kind} for any MQTT client, until Ctrl-C`, { skip }, async () => {
    const listen = ['--listen', 'mqtt://127.0.0.1:0', '--listen', 'ws://127.0.0.1:0'];
    await using command = new RunningCommand(['--json', 'broker', ...listen, ...flags]);
    const started = await command.json();
    assert.deepEqual([started['event'], started['kind']], ['listening', kind]);
    const addresses = started['addresses'] as string[];
    assert.deepEqual(
      addresses.map((address) => address.replace(/\d+$/, 'PORT')),
      ['mqtt://127.0.0.1:PORT', 'ws://127.0.0.1:PORT'],
    );
    for (const address of addresses) assert.equal(await echo(address), 'hello');
    assert.equal(await command.interrupt(), 0);
    assert.equal(command.stderr, '');
    for (const address of addresses) await assert.rejects(echo(address), /ECONNREFUSED/);
  });

  test(`with TLS, ${kind} lets in whoever has a certificate, and tells with --log who had none`, {
    skip,
  }, async (t) => {
    const tls = await testTls(t);
    const { certificateFile, keyFile, clientsFile } = tls.files;
    const files = ['--cert', certificateFile, '--key', keyFile, '--ca', clientsFile, '--log'];
    await using command = new RunningCommand([
      '--json',
      'broker',
      '--listen',
      'mqtts://localhost:0',
      ...files,
      ...flags,
    ]);
    const [address = ''] = (await command.json())['addresses'] as string[];
    assert.equal(await echo(address, { ca: tls.ca, ...(await tls.issue('sensor')) }), 'hello');
    await assert.rejects(echo(address, { ca: tls.ca }));
    assert.equal(await command.interrupt(), 0);
    assert.match(command.stderr, /peer did not return a certificate|PEER_DID_NOT_RETURN_A_CERTIFICATE/i);
  });
}

test('for people it is one line of what runs where', async () => {
  await using command = new RunningCommand(['broker', '--embedded', '--listen', 'mqtt://127.0.0.1:0']);
  const line = await command.note();
  assert.match(
    line,
    /^The embedded broker \(aedes, MQTT 3\.1\.1\) listens at mqtt:\/\/127\.0\.0\.1:\d+; Ctrl-C ends it\.$/,
  );
  assert.equal(await command.interrupt(), 0);
});

test('what is wrong with where and how it shall listen is a sentence, a hint and an exit code', async (t) => {
  const { files } = await testTls(t);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const taken = `mqtt://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  const tls = ['--cert', files.certificateFile, '--key', files.keyFile];
  const cases = [
    { args: ['--listen', 'tcp://127.0.0.1:1'], code: 'address-invalid', exit: 2 },
    { args: ['--listen', 'mqtt://127.0.0.1'], code: 'address-invalid', exit: 2 },
    { args: ['--listen', taken], code: 'address-invalid', exit: 2 },
    { args: ['--listen', 'mqtt://203.0.113.1:0', '--insecure'], code: 'address-invalid', exit: 2 },
    { args: ['--listen', taken, '--embedded'], code: 'address-invalid', exit: 2 },
    { args: ['--listen', 'mqtt://0.0.0.0:0'], code: 'address-invalid', exit: 2 },
    { args: ['--listen', 'mqtts://0.0.0.0:0', ...tls], code: 'address-invalid', exit: 2 },
    { args: ['--listen', 'mqtts://127.0.0.1:0'], code: 'usage', exit: 2 },
    { args: ['--cert', files.certificateFile], code: 'usage', exit: 2 },
    { args: ['--ca', files.clientsFile], code: 'usage', exit: 2 },
    { args: ['--cert', files.certificateFile, '--key', '/does/not/exist'], code: 'file-unreadable', exit: 3 },
    { args: ['--listen', ' '], code: 'usage', exit: 2 },
    { args: ['extra'], code: 'usage', exit: 2 },
  ];
  for (const { args, code, exit } of cases) {
    const ended = await runSealwire(['--json', 'broker', ...args]);
    assert.equal(ended.code, exit, `${args.join(' ')}: ${ended.stderr}`);
    const { error } = JSON.parse(ended.stderr);
    assert.equal(error.code, code, ended.stderr);
    assert.ok(error.hint, error.message);
    assert.equal(ended.stdout, '');
  }
});

/** Takes one connection, and falls over it. */
const FRAGILE = `#!${process.execPath}
const [, port, host] = /^listener (\\d+) (\\S+)$/m.exec(require('node:fs').readFileSync(process.argv[3], 'utf8'));
const server = require('node:net').createServer(() => {
  console.error('Error: Out of memory.');
  console.error('mosquitto version 2.0.11 terminating');
  process.exit(1);
});
server.listen(Number(port), host, () => console.error('mosquitto version 2.0.11 running'));
`;

test('when Mosquitto dies, its last words are told and the exit code is 3', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'mosquitto'), FRAGILE, { mode: 0o755 });
  await using command = new RunningCommand(['--json', 'broker', '--listen', 'mqtt://127.0.0.1:0'], {
    PATH: `${directory}${delimiter}${process.env['PATH']}`,
  });
  const [address = ''] = (await command.json())['addresses'] as string[];
  await assert.rejects(echo(address));
  assert.equal(await command.ended(), 3);
  assert.deepEqual(JSON.parse(command.stderr).error, {
    code: 'broker-failed',
    message: 'Mosquitto ended (exit code 1): Error: Out of memory.',
    hint: 'With --log `sealwire broker` shows all that it says.',
  });
});
