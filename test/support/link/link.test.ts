import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { noMosquitto, useAedes, useMosquitto } from '../brokers.ts';
import { lineTo, numbered, numberOf } from '../mqtt.ts';
import { until } from '../turns.ts';
import { Link, linkTo } from './link.ts';
import type { LinkPlan } from './plan.ts';

const timeout = 60_000;

/** Answers each connection with what it was sent, once all of it is there, and then ends it. */
async function echoServer(context: TestContext) {
  return await serverWith(context, async (socket) => {
    socket.on('error', () => {});
    socket.end(await buffer(socket).catch(() => Buffer.alloc(0)));
  });
}

async function serverWith(context: TestContext, onConnection: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a listener of TCP has a port');
  return { server, url: `mqtt://127.0.0.1:${bound.port}` };
}

function client({ url }: Link): Socket {
  return connect({ host: '127.0.0.1', port: Number(new URL(url).port), allowHalfOpen: true });
}

/** Resolves when it is, in whatever way. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
}

const SENT = Buffer.from(Uint8Array.from({ length: 1_000_003 }, (_, i) => (i * 31 + (i >> 8)) & 255));

test('whatever goes through a long line arrives as it was, there and back, with its end', { timeout }, async (t) => {
  const { url } = await echoServer(t);
  await using link = await Link.open(url, { delayMs: 2, jitterMs: 3 });
  const socket = client(link);
  for (let at = 0; at < SENT.length; at += 9_973) socket.write(SENT.subarray(at, at + 9_973));
  socket.end();
  assert.ok((await buffer(socket)).equals(SENT));
});

test('a closed line leaves no connection behind', { timeout }, async (t) => {
  const { server, url } = await echoServer(t);
  const link = await Link.open(url, { delayMs: 2 });
  const socket = client(link);
  const [far] = await once(server, 'connection');
  const ends = [closed(socket), closed(far)];
  await link[Symbol.asyncDispose]();
  await Promise.all(ends);
});

for (const how of ['reset', 'end'] as const) {
  test(`both sides of a cut connection see it: ${how}`, { timeout }, async (t) => {
    const { server, url } = await serverWith(t, () => {});
    const link = await linkTo(t, url);
    const near = client(link);
    const [far] = await once(server, 'connection');
    const ends = [near, far].map(async (socket: Socket) => {
      socket.resume();
      const ended = Promise.race([once(socket, 'end').then(() => 'end'), once(socket, 'error').then(() => 'reset')]);
      const word = await ended.catch(({ code }) => (code === 'ECONNRESET' ? 'reset' : code));
      socket.destroy();
      return word;
    });
    await link.nth('open');
    link.cut(how);
    assert.deepEqual(await Promise.all(ends), [how, how]);
    assert.equal((await link.nth('cut')).connection, 0);
  });
}

test('while it is down nobody gets through, and afterwards everybody', { timeout }, async (t) => {
  const { url } = await echoServer(t);
  const link = await linkTo(t, url);
  link.down();
  const refused = client(link).resume();
  await once(refused, 'error');
  link.up();
  const socket = client(link);
  socket.end('through');
  assert.equal((await buffer(socket)).toString(), 'through');
  assert.equal(link.count('open'), 1);
});

test('a stall holds everything, on new connections too, until it flows', { timeout }, async (t) => {
  const { url } = await echoServer(t);
  const link = await linkTo(t, url);
  const other = await linkTo(t, url);
  link.stall();
  const held = client(link);
  held.end('held');
  let hasCome = false;
  const came = buffer(held).then((bytes) => {
    hasCome = true;
    return bytes.toString();
  });
  // So long as others take there and back, ten times.
  for (let i = 0; i < 10; i++) {
    const socket = client(other);
    socket.end('other');
    await buffer(socket);
  }
  assert.equal(hasCome, false);
  link.flow();
  assert.equal(await came, 'held');
});

test('cuts and stalls come after a time too, until it is calm', { timeout }, async (t) => {
  const { url } = await echoServer(t);
  const plan = { cut: { afterMs: [5, 15] }, stall: { afterMs: [3, 9], forMs: [1, 3] } } as const;
  const link = await linkTo(t, url, plan);
  while (link.count('cut') < 3) {
    await closed(client(link).resume());
  }
  await link.nth('stall', 3);
  link.calm();
  const before = link.log.length;
  const socket = client(link);
  socket.write('still');
  const other = client(link);
  // As long as several of those lives.
  const narrow = await linkTo(t, link.url, { delayMs: 25 });
  const slow = client(narrow);
  slow.end('slow');
  await buffer(slow);
  socket.end(' here');
  assert.equal((await buffer(socket)).toString(), 'still here');
  other.destroy();
  assert.deepEqual(new Set(link.log.slice(before).map(({ type }) => type)), new Set(['open']));
  const last = client(link).resume();
  await link.nth('open', link.count('open') + 1);
  link.rage();
  await assert.rejects(once(last, 'end'), { code: 'ECONNRESET' });
});

/** Sends a megabyte once more after each cut, and gives what happened. */
async function meet(t: TestContext, plan: LinkPlan) {
  const { url } = await echoServer(t);
  const link = await linkTo(t, url, plan);
  for (;;) {
    const socket = client(link);
    socket.on('error', () => {});
    socket.end(SENT);
    const back = await buffer(socket).catch(() => undefined);
    if (back?.length === SENT.length) return { log: link.log.filter(({ type }) => type !== 'flow'), back };
  }
}

test('the same seed brings the same faults to the same bytes', { timeout }, async (t) => {
  const plan: LinkPlan = {
    seed: 11,
    cut: { afterBytes: [100_000, 800_000] },
    stall: { afterBytes: [50_000, 200_000], forMs: [1, 3] },
    corrupt: { afterBytes: [30_000, 90_000] },
    faultsMax: 6,
    only: 'out',
  };
  const [first, second] = [await meet(t, plan), await meet(t, plan)];
  assert.deepEqual(first, second);
  const count = (type: string): number => first.log.filter((event) => event.type === type).length;
  assert.deepEqual(['cut', 'stall', 'corrupt'].map(count), [6, 6, 6]);
  assert.notDeepEqual((await meet(t, { ...plan, seed: 12 })).log, first.log);
});

for (const [kind, use] of [
  ['Mosquitto', useMosquitto],
  ['aedes', useAedes],
] as const) {
  const skip = kind === 'Mosquitto' && noMosquitto;
  test(`publications to and from ${kind} are doubled and overtake each other, and none is lost`, {
    timeout,
    skip,
  }, async (t) => {
    const broker = await use(t);
    const plan = { seed: 3, duplicateOneIn: 4, reorderOneIn: 3 };
    const [out, back] = [await linkTo(t, broker.url, plan), await linkTo(t, broker.url, plan)];
    const [{ line: writer }, { line: reader }] = [await lineTo(t, out.url), await lineTo(t, back.url)];
    const got: number[] = [];
    await reader.subscribe('t', 1, (publication) => void got.push(numberOf(publication)));
    for (let i = 0; i < 100; i++) await writer.publish('t', numbered(i), { qos: 1 });
    await until(() => new Set(got).size === 100);
    for (const link of [out, back]) {
      await link.nth('duplicate');
      await link.nth('reorder');
    }
    assert.ok(got.length > 100, 'nothing came twice');
    assert.notDeepEqual(
      [...new Set(got)],
      [...new Set(got)].toSorted((a, b) => a - b),
    );
  });
}
