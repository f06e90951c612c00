import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { encodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { FRAME_BYTES_MAX, TUNING } from '../../src/core/limits.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { frameUnit } from '../../src/node/framing.ts';
import { listenTcp } from '../../src/node/tcp.ts';
import { Listening } from '../../src/roles/listening.ts';
import { Peer } from '../../src/roles/peer.ts';
import type { Session } from '../../src/roles/session.ts';
import { bareSocket, drop, type FloodTarget, pour, startTarget } from '../support/flood.ts';
import { hear, hearAll, say } from '../support/messages.ts';
import { type Actor, meet, Stage } from '../support/stage.ts';

const MIB = 1024 * 1024;
const THROWN_BYTES = 64 * MIB;

async function ping(session: Session, word: string): Promise<void> {
  await say(session, word, 'delivered');
  assert.deepEqual(await hear(session, 1), [word]);
}

async function dialAndPing({ peer }: Actor, { address }: FloodTarget): Promise<void> {
  const session = await peer.dial(address, { expect: 'operator' });
  await ping(session, 'a new session');
  await session.close();
}

function* repeated(chunk: Uint8Array, bytes: number): Generator<Uint8Array> {
  for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk;
}

function* endless(): Generator<Uint8Array> {
  yield Uint8Array.of(255, 255, 255, 255);
  yield* repeated(nodeCrypto.random(64 * 1024), 4 * MIB);
}

function* unending(): Generator<Uint8Array> {
  const unit = frameUnit(nodeCrypto.random(FRAME_BYTES_MAX));
  yield unit.subarray(0, unit.length - 1);
}

function* garbage(): Generator<Uint8Array> {
  yield* repeated(frameUnit(nodeCrypto.random(16 * 1024)), 4 * MIB);
}

function* shortUnits(): Generator<Uint8Array> {
  const many = Buffer.concat(Array.from({ length: 4096 }, () => frameUnit(nodeCrypto.random(1))));
  yield* repeated(many, 4 * MIB);
}

function* halfHandshakes(): Generator<Uint8Array> {
  const { publicX } = nodeCrypto.generateEphemeral();
  const message = encodeMessage1({ method: 0, suites: [5], publicX, connectionId: nodeCrypto.random(8) });
  yield frameUnit(encodeEnvelope({ connectionId: null, message }));
  yield* garbage();
}
function openSockets({ address }: { readonly address: string }, count: number): Promise<Socket[]> {
  return Promise.all(Array.from({ length: count }, () => bareSocket(address)));
}

/** What is thrown before anybody has shown who it is, by how many connections at once. */
const FLOODS = [
  { what: 'units of endless length', flood: endless, atOnce: 16, refusal: 'too-large' },
  { what: 'units that never end', flood: unending, atOnce: 64, refusal: 'stream-cut' },
  { what: 'units of garbage', flood: garbage, atOnce: 16, refusal: 'malformed' },
  { what: 'swarms of tiny units', flood: shortUnits, atOnce: 16, refusal: 'malformed' },
  { what: 'begun handshakes with garbage behind', flood: halfHandshakes, atOnce: 16, refusal: 'malformed' },
] as const;

/** Far below what is thrown, and above what 64 half-open connections may hold and the collector leaves lying. */
const LIVE_GROWTH_BYTES_MAX = 48 * MIB;
/** What the system gives back late; all floods together throw at least 320 MiB. */
const RSS_GROWTH_BYTES_MAX = 160 * MIB;

test('N19: 64 MiB thrown before authentication leave memory flat, and the honest peer is served', async (context) => {
  await using stage = await Stage.open();
  await using target = await startTarget(stage.member('operator').home);
  const sensor = await stage.enter('sensor');
  const session = await sensor.peer.dial(target.address, { expect: 'operator' });
  // The first handshakes load code and grow the heap for good.
  for (let i = 0; i < 10; i++) await dialAndPing(sensor, target);
  const before = await target.report();
  let refusedBefore = before.refused;
  for (const { what, flood, atOnce, refusal } of FLOODS) {
    await context.test(what, async () => {
      let thrownBytes = 0;
      while (thrownBytes < THROWN_BYTES) {
        const sockets = await openSockets(target, atOnce);
        for (const bytes of await Promise.all(sockets.map((socket) => pour(socket, flood())))) thrownBytes += bytes;
        await ping(session, what);
        await Promise.all(sockets.map(drop));
      }
      await dialAndPing(sensor, target);
      const { peak, refused } = await target.report();
      const grown = peak.liveBytes - before.peak.liveBytes;
      assert.ok(grown < LIVE_GROWTH_BYTES_MAX, `${grown} bytes more are alive after ${thrownBytes} were thrown`);
      assert.ok((refused[refusal] ?? 0) > (refusedBefore[refusal] ?? 0), `${refusal} in ${JSON.stringify(refused)}`);
      refusedBefore = refused;
      const rssGrown = peak.rssBytes - before.peak.rssBytes;
      assert.ok(rssGrown < RSS_GROWTH_BYTES_MAX, `the process grew by ${rssGrown} bytes`);
    });
  }
  await session.close();
});

test('N19: silent connections keep nobody out: the oldest makes room for whoever comes', async () => {
  await using stage = await Stage.open();
  const operator = await stage.enter('operator');
  await using listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const sensor = await stage.enter('sensor');
  const { near, far } = await meet(sensor, listening, { expect: 'operator' });
  const crowd = await openSockets(listening, TUNING.halfOpenMax + 20);
  const refused = await operator.events.atLeast(20, 'handshake-refused');
  assert.deepEqual(new Set(refused.map(({ error }) => error.code)), new Set(['overloaded']));
  // Whoever has a session keeps it; whoever wants one gets it at once.
  await say(near, 'served meanwhile', 'delivered');
  assert.deepEqual(await hear(far, 1), ['served meanwhile']);
  const after = await meet(sensor, listening, { expect: 'operator' });
  await say(after.near, 'served all the same', 'delivered');
  assert.deepEqual(await hear(after.far, 1), ['served all the same']);
  // The session's own handshake took the place of one more.
  const displaced = await operator.events.atLeast(21, 'handshake-refused');
  assert.deepEqual(new Set(displaced.map(({ error }) => error.code)), new Set(['overloaded']));
  await Promise.all(crowd.map(drop));
  await operator.events.atLeast(TUNING.halfOpenMax + 20, 'handshake-refused');
  await Promise.all([near.close(), far.close(), after.near.close(), after.far.close()]);
});

test('N19: connections that say nothing, or stop half-way, are given up in time and make room', async () => {
  await using stage = await Stage.open();
  const { identity } = stage.member('operator');
  const peer = new Peer({
    identity,
    anchors: () => stage.members.map((member) => member.identity.id),
    crypto: nodeCrypto,
    clock: systemClock,
    verifierOf: nodeVerifier,
    handshakeTimeoutMs: 250,
  });
  const codes: string[] = [];
  const enough = Promise.withResolvers<void>();
  await using listening = new Listening(peer, await listenTcp('tcp://127.0.0.1:0'), {
    onRefused: ({ code }) => {
      if (codes.push(code) === TUNING.halfOpenMax) enough.resolve();
    },
  });
  const sockets = await openSockets(listening, TUNING.halfOpenMax);
  const [first] = halfHandshakes();
  for (const [i, socket] of sockets.entries()) {
    if (i % 3 === 1) socket.write(Uint8Array.of(0, 0));
    if (i % 3 === 2 && first) socket.write(first);
  }
  await enough.promise;
  assert.deepEqual(new Set(codes), new Set(['handshake-timeout']));
  const sensor = await stage.enter('sensor');
  const { near, far } = await meet(sensor, listening, { expect: 'operator' });
  await say(near, 'served', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['served']);
  await Promise.all(sockets.map(drop));
});
