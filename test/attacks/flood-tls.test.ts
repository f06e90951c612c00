import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { FRAME_BYTES_MAX } from '../../src/core/limits.ts';
import { parseAddress } from '../../src/node/address.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { frameUnit } from '../../src/node/framing.ts';
import { writePem } from '../../src/node/pem.ts';
import type { Session } from '../../src/roles/session.ts';
import { bareSocket, drop, pour, startTarget } from '../support/flood.ts';
import { hear, say } from '../support/messages.ts';
import { type Member, makeMember, Stage } from '../support/stage.ts';

const MIB = 1024 * 1024;
const THROWN_BYTES = 64 * MIB;
const AT_ONCE = 16;
/** As for TCP; OpenSSL's buffers of a connection are on top. */
const LIVE_GROWTH_BYTES_MAX = 48 * MIB;
const RSS_GROWTH_BYTES_MAX = 192 * MIB;
/** What one connection throws before the next one is made, where nobody ends it. */
const CONNECTION_BYTES = 4 * MIB;

function* repeated(chunk: Uint8Array): Generator<Uint8Array> {
  for (let sent = 0; sent < CONNECTION_BYTES; sent += chunk.length) yield chunk;
}

function* endless(): Generator<Uint8Array> {
  yield Uint8Array.of(255, 255, 255, 255);
  yield* repeated(nodeCrypto.random(64 * 1024));
}

function* unending(): Generator<Uint8Array> {
  yield frameUnit(nodeCrypto.random(FRAME_BYTES_MAX)).subarray(0, FRAME_BYTES_MAX);
}

/** Speaks TLS as somebody does who has this identity, and nothing of what goes over it. */
async function tlsSocket(address: string, { identity }: Member): Promise<Socket> {
  const { host, port } = parseAddress(address, 'tls', 1);
  const socket = connect({
    ...{ host, port, ALPNProtocols: ['sealwire/1'], minVersion: 'TLSv1.3', rejectUnauthorized: false },
    cert: identity.certificates.map((der) => writePem('CERTIFICATE', der)).join(''),
    key: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  });
  socket.on('error', () => {}).resume();
  await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]).catch(() => {});
  return socket;
}

async function ping(session: Session, word: string): Promise<void> {
  await say(session, word, 'delivered');
  assert.deepEqual(await hear(session, 1), [word]);
}

test('N19: 64 MiB thrown at TLS, from outside, by strangers and by a member, leave memory flat; honest peers go on', async (context) => {
  await using stage = await Stage.open({ names: ['sensor', 'operator', 'insider'] });
  await using target = await startTarget(stage.member('operator').home, 'tls://127.0.0.1:0');
  const stranger = await makeMember(stage.directory, 'stranger');
  const sensor = await stage.enter('sensor');
  const session = await sensor.peer.dial(target.address, { expect: 'operator' });
  const dialAndPing = async (): Promise<void> => {
    const next = await sensor.peer.dial(target.address, { expect: 'operator' });
    await ping(next, 'a new session');
    await next.close();
  };
  for (let i = 0; i < 10; i++) await dialAndPing();
  const before = await target.report();
  const floods = [
    [
      'what is no TLS',
      () => bareSocket(target.address.replace('tls:', 'tcp:')),
      () => repeated(nodeCrypto.random(16_384)),
    ],
    ['units of endless length from a stranger', () => tlsSocket(target.address, stranger), endless],
    ['units of endless length from a member', () => tlsSocket(target.address, stage.member('insider')), endless],
    ['units that never end, from a member', () => tlsSocket(target.address, stage.member('insider')), unending],
  ] as const;
  let refusedBefore = before.refused;
  for (const [what, open, flood] of floods) {
    await context.test(what, async () => {
      let thrownBytes = 0;
      // Most of it is never taken: what counts is what was offered.
      for (let rounds = 0; rounds * AT_ONCE * CONNECTION_BYTES < THROWN_BYTES; rounds++) {
        const sockets = await Promise.all(Array.from({ length: AT_ONCE }, open));
        for (const bytes of await Promise.all(sockets.map((socket) => pour(socket, flood())))) thrownBytes += bytes;
        await ping(session, what);
        await Promise.all(sockets.map(drop));
      }
      await dialAndPing();
      const { peak, refused } = await target.report();
      const grown = peak.liveBytes - before.peak.liveBytes;
      assert.ok(grown < LIVE_GROWTH_BYTES_MAX, `${grown} bytes more are alive after ${thrownBytes} were thrown`);
      assert.notDeepEqual(refused, refusedBefore, 'it was refused, and told');
      refusedBefore = refused;
      const rssGrown = peak.rssBytes - before.peak.rssBytes;
      assert.ok(rssGrown < RSS_GROWTH_BYTES_MAX, `the process grew by ${rssGrown} bytes`);
    });
  }
  await session.close();
});
