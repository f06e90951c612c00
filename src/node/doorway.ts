import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { SealwireError } from '../core/errors.ts';
import { TUNING } from '../core/limits.ts';
import { type BrokerListener, listenAt, usesTls, usesWebSocket } from './broker-listener.ts';
import type { BrokerTls } from './broker-tls.ts';
import type { LogTail } from './log-tail.ts';

/** Takes a client's bytes, without TLS and WebSocket, for as long as it is there. */
export type OnStream = (stream: Duplex) => void;

/** One place to come in, with TLS and WebSocket as its scheme says, and whoever did. */
export class Doorway {
  readonly #listener: BrokerListener;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** Throws `usage` for TLS without its certificate. */
  constructor(listener: BrokerListener, tls: BrokerTls | undefined, onStream: OnStream, log: LogTail) {
    this.#listener = listener;
    this.#server = createServer(listener, tls, onStream);
    this.#server.maxConnections = TUNING.connectionsMax;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', (error: Error) => log.add(`TLS error: ${error.message}`));
    // One connection's that could not be accepted; `open` tells of those before.
    this.#server.on('error', (error) => log.add(`Error: ${error.message}`));
  }

  /** Lets people in; gives the place with its real port. Throws `address-invalid`. */
  async open(): Promise<BrokerListener> {
    return { ...this.#listener, port: await listenAt(this.#server, this.#listener) };
  }

  /** Shows everybody out; idempotent, never rejects. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function createServer(listener: BrokerListener, tls: BrokerTls | undefined, onStream: OnStream): Server {
  const isWebSocket = usesWebSocket(listener);
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
function withWebSocket(server: ReturnType<typeof createHttpServer>, onStream: OnStream): Server {
  const sockets = new WebSocketServer({
    server,
    handleProtocols: (offered) => ['mqtt', 'mqttv3.1'].find((one) => offered.has(one)) ?? false,
  });
  sockets.on('connection', (socket) => onStream(createWebSocketStream(socket)));
  // The server's own errors come here too; whoever binds it is told.
  sockets.on('error', () => {});
  return server;
}
