import { connect } from 'node:net';
import type { Connection } from '../../src/core/ports.ts';
import { parseAddress } from '../../src/node/address.ts';
import { dialTcp, listenTcp } from '../../src/node/tcp.ts';
import { byteMiddle } from '../support/middle.ts';
import { type Bounds, transportContract } from './transport.ts';

const cuts = new WeakMap<Connection, () => void>();

async function listen(bounds: Bounds) {
  const listener = await listenTcp('tcp://127.0.0.1:0', bounds);
  const accepted = listener.accept().next();
  const takeOne = async (): Promise<Connection> => {
    const { value } = await accepted;
    await listener.close();
    if (!value) throw new Error('the listener closed before anyone came');
    return value;
  };
  return { listener, takeOne };
}

transportContract({
  name: 'tcp',
  pair: async (bounds) => {
    const { listener, takeOne } = await listen(bounds);
    const middle = await byteMiddle(listener.address);
    const a = await dialTcp(middle.address, bounds);
    const b = await takeOne();
    middle.closeListener();
    cuts.set(a, middle.cut);
    return { a, b };
  },
  cut: ({ a }) => cuts.get(a)?.(),
  raw: async (bounds) => {
    const { listener, takeOne } = await listen(bounds);
    const far = connect(parseAddress(listener.address, 'tcp', 1));
    return { near: await takeOne(), far };
  },
});
