import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { type ErrorCode, isSealwireError, SealwireError } from '../../src/core/errors.ts';
import type { Connection, Listener } from '../../src/core/ports.ts';
import { parseAddress } from '../../src/node/address.ts';
import { dialTcp, listenTcp } from '../../src/node/tcp.ts';
import { dialTls, listenTls, type TlsIdentity } from '../../src/node/tls.ts';
import { testIdentity } from '../support/certificate.ts';
import { manualClock } from '../support/manual-clock.ts';
import { until } from '../support/turns.ts';

const self = testIdentity('self');
const anyone: TlsIdentity = {
  certificatesDer: [self.certificateDer],
  privateKey: self.privateKey,
  checkPeer: () => {},
};

async function refusal(promise: Promise<unknown>): Promise<SealwireError> {
  try {
    await promise;
  } catch (error) {
    if (isSealwireError(error)) return error;
    throw error;
  }
  assert.fail('it was not refused');
}

async function refusedWith(promise: Promise<unknown>, code: ErrorCode, sentence: RegExp): Promise<void> {
  const error = await refusal(promise);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, sentence);
  assert.ok(error.hint, `no hint: ${error.message}`);
}

const transports = [
  { scheme: 'tcp', listen: listenTcp, dial: dialTcp },
  {
    scheme: 'tls',
    listen: (address: string, options?: object) => listenTls(address, anyone, options),
    dial: (address: string, options?: object) => dialTls(address, anyone, options),
  },
] as const;

for (const { scheme, listen, dial } of transports) {
  const local = (port: number): string => `${scheme}://127.0.0.1:${port}`;

  test(`${scheme}: an address that cannot be used is refused with a hint`, async () => {
    for (const wrong of [
      '',
      'localhost',
      '127.0.0.1:80',
      `${scheme}://`,
      `${scheme}://:80`,
      `${scheme}://host`,
      `${scheme}://host:`,
      `${scheme}://host:65536`,
      `${scheme}://host:-1`,
      `${scheme}://host:x`,
      `${scheme}://user@host:80`,
      `${scheme}://host:80/path`,
      `${scheme}://host:80?query`,
      `${scheme}://host:80#fragment`,
      `${scheme}://::1:80`,
      'http://host:80',
    ]) {
      await refusedWith(dial(wrong), 'address-invalid', /cannot be used/);
      await refusedWith(listen(wrong), 'address-invalid', /cannot be used/);
    }
    await refusedWith(dial(local(0)), 'address-invalid', /no port from 1/);
  });

  test(`${scheme}: nobody there, an unknown host, a port in use`, async () => {
    const listener = await listen(local(0));
    await refusedWith(listen(listener.address), 'address-invalid', /in use/);
    await listener.close();
    await refusedWith(dial(listener.address), 'peer-unreachable', /Nothing listens/);
    await refusedWith(dial(`${scheme}://no-such-host.invalid:7700`), 'peer-unreachable', /host/);
    await refusedWith(listen(`${scheme}://192.0.2.1:0`), 'address-invalid', /not an address of this machine/);
  });

  test(`${scheme}: IPv6`, async () => {
    const listener = await listen(`${scheme}://[::1]:0`);
    assert.match(listener.address, /:\/\/\[::1\]:[1-9]\d*$/);
    const accepted = listener.accept().next();
    const dialled = await dial(listener.address);
    const { value } = await accepted;
    assert.match(value?.remote ?? '', /:\/\/\[::1\]:[1-9]\d*$/);
    assert.equal(dialled.remote, listener.address);
    await Promise.all([dialled.close(), value?.close(), listener.close()]);
  });

  test(`${scheme}: connections over the bound are turned away, the others live on`, async () => {
    const listener = await listen(local(0), { connectionsMax: 2 });
    const accepted = listener.accept();
    const kept: Connection[] = [];
    for (let i = 0; i < 2; i++) {
      kept.push(await dial(listener.address));
      const { value } = await accepted.next();
      if (value) kept.push(value);
    }
    await assert.rejects(async () => {
      const third = await dial(listener.address);
      await third.send(Uint8Array.of(1));
      const { done } = await third.receive().next();
      // A plain goodbye is as good as a reset.
      if (done) throw new Error('turned away');
    });
    await kept[0]?.send(Uint8Array.of(7));
    assert.deepEqual((await kept[1]?.receive().next())?.value, Uint8Array.of(7));
    await Promise.all(kept.map((connection) => connection.close()));
    const next = await dial(listener.address);
    assert.ok(!(await accepted.next()).done);
    await Promise.all([next.close(), listener.close()]);
  });

  test(`${scheme}: closing the listener frees the port, ends accept, and spares what was accepted`, async () => {
    const listener: Listener = await listen(local(0));
    const taken = listener.accept().next();
    const dialled = await dial(listener.address);
    const { value: accepted } = await taken;
    const untaken = await dial(listener.address);
    await untaken.send(Uint8Array.of(1));
    const waiting = untaken.receive().next();
    await Promise.all([listener.close(), listener.close()]);
    assert.equal((await listener.accept().next()).done, true);
    await Promise.race([waiting.catch(() => {}), waiting]);
    await dialled.send(Uint8Array.of(9));
    assert.deepEqual((await accepted?.receive().next())?.value, Uint8Array.of(9));
    const again = await listen(listener.address);
    await Promise.all([again.close(), dialled.close(), accepted?.close(), untaken.close()]);
  });

  test(`${scheme}: dialling is given up on demand`, async () => {
    const error = await refusal(dial(local(9), { signal: AbortSignal.abort() }));
    assert.equal(error.code, 'session-closed');
  });
}

async function silentServer() {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  return { server, port: typeof bound === 'object' && bound ? bound.port : 0 };
}

test('tls: a far end that never answers times out', async () => {
  const { server, port } = await silentServer();
  const clock = manualClock();
  const dialling = refusal(dialTls(`tls://127.0.0.1:${port}`, anyone, { clock, connectTimeoutMs: 1000 }));
  await until(() => clock.pending > 0);
  clock.advance(1000);
  assert.equal((await dialling).code, 'timeout');
  assert.equal(clock.pending, 0);
  server.close();
});

test('tls: a far end that speaks plain TCP, or TLS 1.2, or another protocol, is refused; there is no fallback', async (t) => {
  const chatty = createServer((socket) => socket.on('error', () => {}).end('220 hello, this is not TLS\r\n'));
  chatty.listen(0, '127.0.0.1');
  await once(chatty, 'listening');
  const bound = chatty.address();
  const port = typeof bound === 'object' && bound ? bound.port : 0;
  await refusedWith(dialTls(`tls://127.0.0.1:${port}`, anyone), 'handshake-failed', /TLS 1.3 with .* failed/);
  chatty.close();

  const refused: unknown[] = [];
  const listener = await listenTls('tls://127.0.0.1:0', anyone, { onRefused: (error) => refused.push(error) });
  t.after(() => listener.close());
  const address = parseAddress(listener.address, 'tls', 1);
  const mine = {
    key: self.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${Buffer.from(self.certificateDer).toString('base64')}\n-----END CERTIFICATE-----`,
    rejectUnauthorized: false,
  };
  for (const wrong of [
    { ...mine, ALPNProtocols: ['sealwire/1'], maxVersion: 'TLSv1.2' },
    { ...mine, ALPNProtocols: ['http/1.1'] },
    { ...mine },
    { rejectUnauthorized: false, ALPNProtocols: ['sealwire/1'] },
  ] as const) {
    const socket = connect({ ...address, ...wrong });
    socket.on('error', () => {}).resume();
    await new Promise<void>((resolve) => socket.on('close', () => resolve()));
  }
  await until(() => refused.length === 4);
  assert.deepEqual(
    refused.map((error) => isSealwireError(error) && error.code),
    ['handshake-failed', 'handshake-failed', 'handshake-failed', 'certificate-invalid'],
  );
});

test('tls: checkPeer sees the whole chain, and its refusal is final before any unit', async () => {
  const refuse = (error: unknown): TlsIdentity => ({
    ...anyone,
    checkPeer: () => {
      throw error;
    },
  });
  const mismatch = new SealwireError('identity-mismatch', 'It is somebody else.');
  let seen: readonly Uint8Array[] = [];
  const keep = (chain: readonly Uint8Array[]): void => {
    seen = chain;
  };
  const refused: unknown[] = [];
  const strict = await listenTls('tls://127.0.0.1:0', refuse(mismatch), { onRefused: (error) => refused.push(error) });
  const never = strict.accept().next();
  const curious: TlsIdentity = { ...anyone, checkPeer: keep };
  const dialled = await dialTls(strict.address, curious);
  await dialled.send(Uint8Array.of(1)).catch(() => {});
  await assert.rejects(async () => {
    if ((await dialled.receive().next()).done) throw new Error('closed');
  });
  assert.deepEqual(
    seen,
    [self.certificateDer].map((der) => new Uint8Array(der)),
  );
  assert.deepEqual(refused, [mismatch]);
  await Promise.all([dialled.close(), strict.close()]);
  assert.equal((await never).done, true);

  const open = await listenTls('tls://127.0.0.1:0', anyone);
  await assert.rejects(dialTls(open.address, refuse(mismatch)), mismatch);
  const fault = new TypeError('a fault in checkPeer');
  await assert.rejects(dialTls(open.address, refuse(fault)), fault);
  await open.close();
});
