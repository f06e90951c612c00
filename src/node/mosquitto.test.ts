import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { noMosquitto } from '../../test/support/brokers.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { parseListener } from './broker-listener.ts';
import { findMosquitto, mosquittoConfig, startMosquitto } from './mosquitto.ts';

/** By which others would reach this machine. */
const otherAddress = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
const anywhere = parseListener('mqtt://127.0.0.1:0');
const tls = { certificateFile: '/c.crt', keyFile: '/c.key' };

test('the configuration says what was asked for, and bounds what waits', () => {
  const lines = mosquittoConfig(
    {
      listeners: ['mqtt://127.0.0.1:1883', 'mqtts://[::1]:8883', 'ws://127.0.0.1:8084'].map(parseListener),
      tls: { ...tls, clientsFile: '/a b.crt' },
      aclFile: '/acl',
      queuedMessagesMax: 7,
    },
    '/own/socket',
  ).split('\n');
  const expected = ['set_tcp_nodelay true', 'persistence false', 'acl_file /acl', 'max_queued_messages 7'];
  for (const line of expected) assert.ok(lines.includes(line), line);
  assert.deepEqual(lines.slice(lines.indexOf('listener 1883 127.0.0.1')), [
    'listener 1883 127.0.0.1',
    'listener 8883 ::1',
    'certfile /c.crt',
    'keyfile /c.key',
    'cafile /a b.crt',
    'require_certificate true',
    'listener 0 /own/socket',
    '',
  ]);
});

test('a path cannot bring settings with it, and TLS cannot go without its files', () => {
  const listeners = [anywhere];
  assert.throws(() => mosquittoConfig({ listeners, aclFile: '/acl\nuser root' }, '/s'), { code: 'malformed' });
  assert.throws(() => mosquittoConfig({ listeners, aclFile: '/acl ' }, '/s'), { code: 'malformed' });
  assert.throws(() => mosquittoConfig({ listeners: [parseListener('mqtts://127.0.0.1:0')] }, '/s'), { code: 'usage' });
});

test('a Mosquitto before 2.0 is refused with a way out', async (t) => {
  const program = join(await temporaryDirectory(t), 'mosquitto');
  const script = '#!/bin/sh\necho "mosquitto version 1.6.9 starting" >&2\nexec sleep 600\n';
  await writeFile(program, script, { mode: 0o755 });
  await assert.rejects(startMosquitto(program, { listeners: [anywhere] }), {
    code: 'unsupported',
    message: /2\.0 or newer .* 1\.6\.9/,
    hint: /embedded/,
  });
});

test('a free port that was taken meanwhile is replaced by another one, not for ever', async (t) => {
  const directory = await temporaryDirectory(t);
  const program = join(directory, 'mosquitto');
  const script = `#!/bin/sh\necho run >> ${directory}/runs\n[ $(wc -l < ${directory}/runs) -gt "$(cat ${directory}/failures)" ] ||
{ echo "Error: Address already in use" >&2; exit 1; }\necho "mosquitto version 2.0.11 running" >&2\nexec sleep 600\n`;
  await writeFile(program, script, { mode: 0o755 });
  await writeFile(join(directory, 'failures'), '2');
  const broker = await startMosquitto(program, { listeners: [anywhere] });
  await broker.stop();
  await writeFile(join(directory, 'failures'), '100');
  await assert.rejects(startMosquitto(program, { listeners: [anywhere] }), /Address already in use/);
});

test('when Mosquitto does not like what it is given, its error is told and its files are gone', {
  skip: noMosquitto,
}, async (t) => {
  const before = process.env['TMPDIR'];
  const directory = await temporaryDirectory(t);
  process.env['TMPDIR'] = directory;
  t.after(() => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  });
  assert.equal(tmpdir(), directory);
  await assert.rejects(startMosquitto(findMosquitto() ?? '', { listeners: [anywhere], aclFile: '/does/not/exist' }), {
    code: 'broker-failed',
    message: /^Mosquitto ended \(exit code \d+\): Error opening acl file/,
  });
  assert.deepEqual(await readdir(directory), []);
});

test('over WebSocket too it is reached at its own address only, even where there is nothing else', {
  skip: noMosquitto || (otherAddress === undefined && 'this machine has no address but loopback'),
}, async () => {
  for (const scheme of ['mqtt', 'ws']) {
    const listeners = [parseListener(`${scheme}://127.0.0.1:0`)];
    await using broker = await startMosquitto(findMosquitto() ?? '', { listeners });
    const port = Number(broker.addresses[0]?.split(':').at(-1));
    const inside = connect(port, '127.0.0.1');
    await once(inside, 'connect');
    inside.destroy();
    await assert.rejects(once(connect(port, otherAddress), 'connect'), { code: 'ECONNREFUSED' });
  }
});

test('files with spaces in their paths are found, and persistence goes where it is told', {
  skip: noMosquitto,
}, async (t) => {
  const directory = join(await temporaryDirectory(t), 'with a space');
  await mkdir(directory);
  const aclFile = join(directory, 'the list');
  await writeFile(aclFile, 'topic read x\n', { mode: 0o600 });
  const broker = await startMosquitto(findMosquitto() ?? '', {
    listeners: [anywhere],
    aclFile,
    persistenceDirectory: directory,
  });
  await broker.stop();
  assert.deepEqual((await readdir(directory)).sort(), ['mosquitto.db', 'the list']);
  assert.deepEqual(await broker.exited.then(({ code, signal }) => [code, signal]), [0, null]);
});
