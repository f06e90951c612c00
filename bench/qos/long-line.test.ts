import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { openLongLine } from './long-line.ts';

/** Answers each connection with what it was sent, once all of it is there, and then ends it. */
async function echoServer() {
  const server = createServer({ allowHalfOpen: true }, async (socket) => socket.end(await buffer(socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a listener of TCP has a port');
  return { server, url: `mqtt://127.0.0.1:${bound.port}` };
}

test('whatever goes through a long line arrives as it was, there and back, with its end', async (context) => {
  const { server, url } = await echoServer();
  context.after(() => server.close());
  await using line = await openLongLine(url, 2);
  const sent = Buffer.from(Uint8Array.from({ length: 1_000_003 }, (_, i) => (i * 31 + (i >> 8)) & 255));
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(line.url).port), allowHalfOpen: true });
  for (let at = 0; at < sent.length; at += 9_973) socket.write(sent.subarray(at, at + 9_973));
  socket.end();
  assert.ok((await buffer(socket)).equals(sent));
});

test('a closed line leaves no connection behind', async (context) => {
  const { server, url } = await echoServer();
  context.after(() => server.close());
  const line = await openLongLine(url, 2);
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(line.url).port) });
  const [far] = await once(server, 'connection');
  socket.on('error', () => {});
  far.on('error', () => {});
  const closed = Promise.all([once(socket, 'close'), once(far, 'close')]);
  await line[Symbol.asyncDispose]();
  await closed;
});
