import { createServer, type Server, type Socket, connect as socketTo } from 'node:net';
import { SealwireError } from '../core/errors.ts';
import { Handoff } from '../core/handoff.ts';
import { TUNING } from '../core/limits.ts';
import type { Connection, Listener } from '../core/ports.ts';
import { addressError, formatAddress, parseAddress } from './address.ts';
import { systemClock } from './clock.ts';
import { SocketConnection, type SocketOptions } from './socket-connection.ts';

/** What dialling takes beside the connection's bounds. */
export interface DialOptions extends SocketOptions {
  readonly connectTimeoutMs?: number;
  /** Gives the attempt up: `session-closed`. */
  readonly signal?: AbortSignal;
}

/** What listening takes beside the bounds of each connection. */
export interface ListenOptions extends SocketOptions {
  /** Connections open at once; more are turned away. */
  readonly connectionsMax?: number;
}

/** Opens a connection to `tcp://host:port`; throws `address-invalid`, `peer-unreachable` or `timeout`. */
export async function dialTcp(address: string, options: DialOptions = {}): Promise<Connection> {
  const { host, port } = parseAddress(address, 'tcp', 1);
  const remote = formatAddress({ scheme: 'tcp', host, port });
  const socket = socketTo({ host, port });
  await opened(socket, 'connect', remote, options);
  return new SocketConnection(socket, remote, options);
}

/** Listens at `tcp://host:port`, where port 0 picks a free one; throws `address-invalid`. */
export function listenTcp(address: string, options: ListenOptions = {}): Promise<Listener> {
  const server = createServer();
  const connections = new Handoff<Connection>();
  server.on('connection', (socket) => {
    offer(new SocketConnection(socket, remoteOf(socket, 'tcp'), options), connections);
  });
  return listening(server, connections, address, 'tcp', options);
}

/** Puts an accepted connection where `accept` finds it; one that comes after the listener was closed is closed too. */
export function offer(connection: Connection, connections: Handoff<Connection>): void {
  if (!connections.put(connection)) void connection.close();
}

/** The far end of an accepted socket, for people. */
export function remoteOf(socket: Socket, scheme: string): string {
  return formatAddress({ scheme, host: socket.remoteAddress ?? 'unknown', port: socket.remotePort ?? 0 });
}

/** Resolves when `socket` emits `event`; else destroys it and throws what went wrong, as {@link dialTcp} does. */
export async function opened(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  remote: string,
  options: DialOptions,
): Promise<void> {
  const { clock = systemClock, connectTimeoutMs = TUNING.connectTimeoutMs, signal } = options;
  const done = Promise.withResolvers<void>();
  const stopTimer = clock.after(connectTimeoutMs, () =>
    done.reject(
      new SealwireError('timeout', `${remote} did not answer within ${connectTimeoutMs} ms.`, {
        hint: 'Check the address and the network in between.',
      }),
    ),
  );
  const onOpen = (): void => done.resolve();
  const onError = (error: Error): void => done.reject(addressError(error, remote));
  const onClose = (): void => onError(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
  const onAbort = (): void => done.reject(new SealwireError('session-closed', `Dialling ${remote} was given up.`));
  socket.once(event, onOpen).once('close', onClose).on('error', onError);
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  try {
    await done.promise;
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throw error;
  } finally {
    stopTimer();
    signal?.removeEventListener('abort', onAbort);
    socket.off(event, onOpen).off('close', onClose).off('error', onError);
  }
}

/** Binds `server` and makes a `Listener` of it and of the connections that come through `connections`. */
export async function listening(
  server: Server,
  connections: Handoff<Connection>,
  address: string,
  scheme: string,
  options: ListenOptions,
): Promise<Listener> {
  const { host, port } = parseAddress(address, scheme, 0);
  server.maxConnections = options.connectionsMax ?? TUNING.connectionsMax;
  const bound = Promise.withResolvers<void>();
  server.once('listening', bound.resolve).once('error', bound.reject);
  server.listen({ host, port });
  try {
    await bound.promise;
  } catch (error) {
    throw addressError(error, formatAddress({ scheme, host, port }));
  }
  // From here on an error is one connection's that could not be accepted; the next one may be.
  server.on('error', () => {});
  return new SocketListener(server, connections, formatAddress({ scheme, host, port: boundPort(server, port) }));
}

function boundPort(server: Server, asked: number): number {
  const bound = server.address();
  return typeof bound === 'object' && bound ? bound.port : asked;
}

class SocketListener implements Listener {
  readonly address: string;
  readonly #server: Server;
  readonly #connections: Handoff<Connection>;

  constructor(server: Server, connections: Handoff<Connection>, address: string) {
    this.#server = server;
    this.#connections = connections;
    this.address = address;
  }

  accept(): AsyncIterableIterator<Connection> {
    return this.#connections.items();
  }

  async close(): Promise<void> {
    this.#server.close();
    await Promise.all(this.#connections.drop().map((connection) => connection.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
