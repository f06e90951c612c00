import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Connection, Listener } from '../../src/core/ports.ts';
import { parseAddress } from '../../src/node/address.ts';
import { dialTcp, listenTcp } from '../../src/node/tcp.ts';
import { memoryPair } from '../../src/roles/memory.ts';

/** Which way a unit travels: from the side that dialled, or to it. */
export type Way = 'out' | 'back';

/**
 * What a man in the middle does with one unit: the units to pass on instead, in order. `[unit]` passes it on, `[]`
 * drops it, `[unit, unit]` repeats it; one that is kept and given out later is delayed or reordered.
 */
export type Tamper = (unit: Uint8Array, way: Way, middle: Middle) => readonly Uint8Array[];

/** A man in the middle of one connection. */
export interface Middle {
  /** Every unit seen, before it was tampered with. */
  readonly seen: readonly { readonly way: Way; readonly unit: Uint8Array }[];
  /** Sends a unit of his own. */
  inject(way: Way, unit: Uint8Array): Promise<void>;
  /** Closes both sides as an honest end does. */
  close(): Promise<void>;
}

/** Joins two connections through a man in the middle: `near` leads to who dialled, `far` to who listens. */
export function relay(near: Connection, far: Connection, tamper: Tamper = (unit) => [unit]): Middle {
  const seen: { way: Way; unit: Uint8Array }[] = [];
  const middle: Middle = {
    seen,
    inject: (way, unit) => (way === 'out' ? far : near).send(unit),
    close: async () => {
      await Promise.all([near.close(), far.close()]);
    },
  };
  const pump = async (from: Connection, to: Connection, way: Way): Promise<void> => {
    try {
      for await (const unit of from.receive()) {
        seen.push({ way, unit });
        for (const passed of tamper(unit, way, middle)) await to.send(passed);
      }
    } catch {
      // The line broke on one side: the other one learns it by the close.
    }
    await to.close();
  };
  void pump(near, far, 'out');
  void pump(far, near, 'back');
  return middle;
}

/** Two ends in memory with a man in the middle: `a` is who dialled. */
export function between(tamper?: Tamper): { readonly a: Connection; readonly b: Connection; readonly middle: Middle } {
  const first = memoryPair();
  const second = memoryPair();
  return { a: first.a, b: second.b, middle: relay(first.b, second.a, tamper) };
}

/** A listener at `address` that passes every connection on to `target` through a man in the middle. */
export interface MiddleListener extends AsyncDisposable {
  readonly address: string;
  /** One for each connection, in order. */
  readonly middles: readonly Middle[];
}

/** A man in the middle of real sockets, who knows where units begin and end. */
export async function middleOnTcp(target: string, tamper?: Tamper): Promise<MiddleListener> {
  const listener: Listener = await listenTcp('tcp://127.0.0.1:0');
  const middles: Middle[] = [];
  const accepting = (async () => {
    for await (const near of listener.accept()) middles.push(relay(near, await dialTcp(target), tamper));
  })();
  return {
    address: listener.address,
    middles,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      await accepting;
      await Promise.all(middles.map((middle) => middle.close()));
    },
  };
}

/** A line of bare bytes between real sockets. */
export interface ByteMiddle extends AsyncDisposable {
  readonly address: string;
  /** Takes no further connections; those that are there live on. */
  closeListener(): void;
  /** Resets every connection, as a network that breaks does. */
  cut(): void;
}

/**
 * Passes bytes on to `target` (`tcp://…` or `tls://…`, whose scheme the new address keeps); `change` may alter or cut
 * short each chunk, and ends the connection with null.
 */
export async function byteMiddle(
  target: string,
  change: (chunk: Buffer, way: Way) => Uint8Array | null = (chunk) => chunk,
): Promise<ByteMiddle> {
  const scheme = target.slice(0, target.indexOf(':'));
  const { host, port } = parseAddress(target, scheme, 1);
  const sockets = new Set<Socket>();
  const pump = (from: Socket, to: Socket, way: Way): void => {
    sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('close', () => sockets.delete(from));
    from.on('end', () => to.end());
    to.on('drain', () => from.resume());
    from.on('data', (chunk: Buffer) => {
      const passed = change(chunk, way);
      if (!passed) to.end();
      else if (!to.write(passed)) from.pause();
    });
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host, port, allowHalfOpen: true });
    pump(near, far, 'out');
    pump(far, near, 'back');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    address: `${scheme}://127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`,
    closeListener: () => server.close(),
    cut,
    [Symbol.asyncDispose]: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      return closed;
    },
  };
}
