import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { SealwireError } from '../core/errors.ts';
import { TUNING } from '../core/limits.ts';
import { type BrokerListener, listenAt, usesTls } from './broker-listener.ts';
import { type BrokerTls, type BrokerTlsFiles, readBrokerTls } from './broker-tls.ts';
import type { ServerExit } from './child-server.ts';
import { LogTail } from './log-tail.ts';
import { brokerUrls, type RunningBroker } from './running-broker.ts';

/** What the embedded broker is started with. */
export interface AedesOptions {
  /** Port 0 stands for a free one. */
  readonly listeners: readonly BrokerListener[];
  /** For `mqtts` and `wss`. */
  readonly tls?: BrokerTlsFiles;
  readonly onLog?: ((line: string) => void) | undefined;
}

/**
 * Starts the broker that needs no installing, within this process: MQTT 3.1 and 3.1.1 with QoS 0, 1 and 2, everything
 * in memory. It bounds connections, but neither the size of a packet nor what waits for a client that is away. Throws
 * `address-invalid`, and as {@link readBrokerTls}.
 */
export async function startAedes(options: AedesOptions): Promise<RunningBroker> {
  const { listeners, tls: files, onLog } = options;
  const tls = files && (await readBrokerTls(files));
  const log = new LogTail(onLog);
  await using starting = new AsyncDisposableStack();
  const broker = await Aedes.createBroker();
  starting.defer(() => new Promise<void>((resolve) => broker.close(resolve)));
  listenToTrouble(broker, log);
  const bound: BrokerListener[] = [];
  for (const listener of listeners) {
    const doorway = new Doorway(listener, tls, broker, log);
    // Sockets that have not become clients yet are the doorway's to end.
    starting.defer(() => doorway.close());
    bound.push({ ...listener, port: await listenAt(doorway.server, listener) });
  }
  const parts = starting.move();
  const exited = Promise.withResolvers<ServerExit>();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= parts.disposeAsync().then(() => {
      exited.resolve({ code: 0, signal: null, lastWords: log.lastWords });
    });
    return stopping;
  };
  return {
    kind: 'aedes',
    ...brokerUrls(bound),
    log: log.lines,
    pid: process.pid,
    exited: exited.promise,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function listenToTrouble(broker: Aedes, log: LogTail): void {
  const tell = (client: { readonly id: string | null } | null, error: Error): void => {
    log.add(`Client ${client?.id ?? 'without an id'}: ${error.message}`);
  };
  broker.on('clientError', tell);
  broker.on('connectionError', tell);
  // It emits what it could not recover from; the other clients may still be served.
  broker.addListener('error', (error: Error) => log.add(`Error: ${error.message}`));
}

/** One place to come in, and whoever did. */
class Doorway {
  readonly server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(listener: BrokerListener, tls: BrokerTls | undefined, broker: Aedes, log: LogTail) {
    this.server = createServer(listener, tls, (stream) => void broker.handle(stream));
    this.server.maxConnections = TUNING.connectionsMax;
    this.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.server.on('tlsClientError', (error: Error) => log.add(`TLS error: ${error.message}`));
    // One connection's that could not be accepted; `listenAt` hears of those before.
    this.server.on('error', (error) => log.add(`Error: ${error.message}`));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function createServer(
  listener: BrokerListener,
  tls: BrokerTls | undefined,
  onStream: (stream: Duplex) => void,
): Server {
  const isWebSocket = listener.scheme.startsWith('ws');
  if (!usesTls(listener)) {
    // Without it each acknowledgement waits for the client's own, up to 40 ms.
    if (!isWebSocket) return createTcpServer({ noDelay: true }, onStream);
    return withWebSocket(createHttpServer({ noDelay: true }, notFound), onStream);
  }
  if (!tls) throw new SealwireError('usage', `TLS at port ${listener.port} needs a certificate and its key.`);
  const options = {
    ...tls,
    minVersion: 'TLSv1.2',
    noDelay: true,
    requestCert: tls.ca !== undefined,
    handshakeTimeout: TUNING.connectTimeoutMs,
  } as const;
  if (!isWebSocket) return createTlsServer(options, onStream);
  return withWebSocket(createHttpsServer(options, notFound), onStream);
}

const notFound: RequestListener = (_request, response) => {
  response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end();
};

/** MQTT over WebSocket (MQTT 3.1.1, section 6): binary messages under the subprotocol `mqtt`. */
function withWebSocket(server: ReturnType<typeof createHttpServer>, onStream: (stream: Duplex) => void): Server {
  const sockets = new WebSocketServer({
    server,
    handleProtocols: (offered) => ['mqtt', 'mqttv3.1'].find((one) => offered.has(one)) ?? false,
  });
  sockets.on('connection', (socket) => onStream(createWebSocketStream(socket)));
  // The server's own errors come here too; whoever binds it is told.
  sockets.on('error', () => {});
  return server;
}
