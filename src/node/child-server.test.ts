import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { ROOT } from '../../test/support/child.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { ChildServer, diedError } from './child-server.ts';

/** A server in the words of a shell. */
function shell(script: string): Pick<Parameters<typeof ChildServer.start>[0], 'name' | 'program' | 'args' | 'isReady'> {
  return { name: 'Sample', program: '/bin/sh', args: ['-c', script], isReady: (line) => line === 'ready' };
}

async function gone(path: string, cause: () => void): Promise<void> {
  const removed = Promise.withResolvers<void>();
  const look = (): void => {
    if (!existsSync(path)) removed.resolve();
  };
  const watching = watch(dirname(path), look);
  cause();
  look();
  await removed.promise;
  watching.close();
}

test('a server is ready when it says so, is stopped, and leaves no files', async (t) => {
  const directory = join(await temporaryDirectory(t), 'own');
  await mkdir(directory);
  const said: string[] = [];
  const script = 'echo starting; echo ready >&2; exec sleep 600';
  const server = await ChildServer.start({ ...shell(script), directory, onLog: (line) => said.push(line) });
  assert.deepEqual([...said].sort(), ['ready', 'starting']);
  assert.ok(existsSync(directory));
  await Promise.all([server.stop(), server.stop()]);
  const exit = await server.exited;
  assert.equal(exit.signal, 'SIGTERM');
  assert.ok(!existsSync(directory));
  await server.stop();
});

test('one that does not listen to SIGTERM is stopped too', async () => {
  const script = "process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1000);";
  const stubborn = { ...shell(''), program: process.execPath, args: ['-e', script] };
  const server = await ChildServer.start({ ...stubborn, stopTimeoutMs: 50 });
  await server.stop();
  assert.equal((await server.exited).signal, 'SIGKILL');
});

test('one is over even where a program that it left behind keeps its output open', async (t) => {
  const script = 'sleep 600 & echo $!; echo ready; exec sleep 600';
  const server = await ChildServer.start(shell(script));
  t.after(() => process.kill(Number(server.log.lines[0])));
  await server.stop();
});

test('one that ends before it is ready is told with its last error', async () => {
  const script = 'echo hello; echo "Error: no such luck"; echo bye; exit 3';
  await assert.rejects(ChildServer.start(shell(script)), {
    code: 'broker-failed',
    message: 'Sample ended (exit code 3): Error: no such luck',
  });
  await assert.rejects(ChildServer.start(shell('exit 0')), /Sample ended \(exit code 0\): it said nothing/);
});

test('one that is never ready is given up and stopped', async () => {
  const options = { ...shell('echo almost; exec sleep 600'), readyTimeoutMs: 50 };
  await assert.rejects(ChildServer.start(options), { code: 'broker-failed', message: /not ready within 50 ms/ });
  const picky = { ...shell('echo ready; exec sleep 600'), isReady: () => assert.fail('too old') };
  await assert.rejects(ChildServer.start(picky), /too old/);
});

test('one that cannot be run at all is told', async () => {
  const options = { ...shell(''), program: '/does/not/exist' };
  await assert.rejects(ChildServer.start(options), { code: 'broker-failed', message: /cannot be run/ });
});

test('how it ended is a sentence', () => {
  const error = diedError('Sample', { code: null, signal: 'SIGSEGV', lastWords: 'oops' });
  assert.equal(error.message, 'Sample ended (SIGSEGV): oops');
});

const SERVE = `require('node:net').createServer().listen(0, '127.0.0.1', function () {
  console.log('ready ' + this.address().port); })`;

/** A process that runs a server with files in `directory`, and tells the server's port. */
function parentOf(directory: string): string {
  return `import { ChildServer } from ${JSON.stringify(`${ROOT}src/node/child-server.ts`)};
const server = await ChildServer.start({ name: 'x', program: process.execPath, args: ['-e', ${JSON.stringify(SERVE)}],
  isReady: (line) => line.startsWith('ready'), directory: ${JSON.stringify(directory)} });
console.log(server.log.lines.at(-1));`;
}

test('a server and its files do not outlive a process that is killed', {
  skip: process.platform === 'win32' && 'no signals',
}, async (t) => {
  const directory = join(await temporaryDirectory(t), 'own');
  await mkdir(directory);
  const parent = spawn(process.execPath, ['--input-type=module', '-e', parentOf(directory)], { stdio: 'pipe' });
  const [line] = await once(createInterface({ input: parent.stdout }), 'line');
  const socket = connect(Number(String(line).split(' ')[1]), '127.0.0.1');
  await once(socket, 'connect');
  // Killed, it may say goodbye by a reset: that is an end as well.
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {}).resume();
  await gone(directory, () => parent.kill('SIGKILL'));
  await closed;
});
