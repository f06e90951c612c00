import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Direction } from '../../src/apps/middle.ts';
import { parseAddress } from '../../src/node/address.ts';

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
  change: (chunk: Buffer, way: Direction) => Uint8Array | null = (chunk) => chunk,
): Promise<ByteMiddle> {
  const scheme = target.slice(0, target.indexOf(':'));
  const { host, port } = parseAddress(target, scheme, 1);
  const sockets = new Set<Socket>();
  const pump = (from: Socket, to: Socket, way: Direction): void => {
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
