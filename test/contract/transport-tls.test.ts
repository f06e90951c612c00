import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { SealwireError } from '../../src/core/errors.ts';
import type { Connection } from '../../src/core/ports.ts';
import { parseAddress } from '../../src/node/address.ts';
import { dialTls, listenTls, type TlsIdentity } from '../../src/node/tls.ts';
import { type TestIdentity, testIdentity } from '../support/certificate.ts';
import { byteMiddle } from '../support/middle.ts';
import { type Bounds, transportContract } from './transport.ts';

const ada = testIdentity('ada');
const bob = testIdentity('bob');
const cuts = new WeakMap<Connection, () => void>();

/** Takes only the far end whose key has this id. */
function expecting(self: TestIdentity, ids: readonly string[]): TlsIdentity {
  return {
    certificatesDer: [self.certificateDer],
    privateKey: self.privateKey,
    checkPeer([first = new Uint8Array(0)]) {
      const spki = new X509Certificate(first).publicKey.export({ type: 'spki', format: 'der' });
      const id = createHash('sha256').update(spki).digest('hex');
      if (!ids.includes(id)) throw new SealwireError('identity-mismatch', `It is ${id}.`);
    },
  };
}

async function listen(bounds: Bounds) {
  const listener = await listenTls('tls://127.0.0.1:0', expecting(bob, [ada.id]), bounds);
  const accepted = listener.accept().next();
  const takeOne = async (): Promise<Connection> => {
    const { value } = await accepted;
    await listener.close();
    assert.ok(value);
    return value;
  };
  return { listener, takeOne };
}

transportContract({
  name: 'tls',
  pair: async (bounds) => {
    const { listener, takeOne } = await listen(bounds);
    const middle = await byteMiddle(listener.address);
    const a = await dialTls(middle.address, expecting(ada, [bob.id]), bounds);
    const b = await takeOne();
    middle.closeListener();
    cuts.set(a, middle.cut);
    return { a, b };
  },
  cut: ({ a }) => cuts.get(a)?.(),
  raw: async (bounds) => {
    const { listener, takeOne } = await listen(bounds);
    const far = connect({
      ...parseAddress(listener.address, 'tls', 1),
      key: ada.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: new X509Certificate(ada.certificateDer).toString(),
      rejectUnauthorized: false,
      ALPNProtocols: ['sealwire/1'],
    });
    return { near: await takeOne(), far };
  },
});
