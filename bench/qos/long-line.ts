import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Clock } from '../../src/core/ports.ts';
import { systemClock } from '../../src/node/clock.ts';
import { DelayedWay } from './delayed-way.ts';

/** A way to a server that is far away. */
export interface LongLine extends AsyncDisposable {
  /** Here it is near: the target's URL with another port. */
  readonly url: string;
}

/** So that a far end which reads nothing holds the near one up at last, as a network does; far over what is under way. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Listens at a free port of loopback and leads each connection to `target` (`mqtt://127.0.0.1:port`), each direction
 * `oneWayMs` long. It costs time only: neither rate nor order.
 */
export async function openLongLine(target: string, oneWayMs: number, clock: Clock = systemClock): Promise<LongLine> {
  const { hostname: host, port, protocol } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
    const ways = [lead(near, far, clock, oneWayMs), lead(far, near, clock, oneWayMs)];
    for (const socket of [near, far]) {
      sockets.add(socket);
      // What has ended in order may still have something on its way to the other side.
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => {
        for (const way of ways) way.cut();
        near.destroy();
        far.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a listener of TCP has a port');
  return {
    url: `${protocol}//127.0.0.1:${bound.port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function lead(from: Socket, to: Socket, clock: Clock, delayMs: number): DelayedWay {
  const isFull = (): boolean => way.bytes + to.writableLength > HELD_BYTES_MAX;
  const goOn = (): void => {
    if (from.isPaused() && !isFull()) from.resume();
  };
  const way = new DelayedWay(clock, delayMs, {
    write: (chunk) => {
      to.write(chunk);
      goOn();
    },
    end: () => to.end(),
  });
  from.on('data', (chunk) => {
    way.put(chunk);
    if (isFull()) from.pause();
  });
  to.on('drain', goOn);
  from.on('end', () => way.end());
  return way;
}
