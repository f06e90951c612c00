import { createServer, isIP, type Server } from 'node:net';
import { SealwireError } from '../core/errors.ts';
import { type Address, addressError, formatAddress, parseAddress } from './address.ts';

/** How MQTT is spoken: bare, over TLS, and both over WebSocket. */
export type BrokerScheme = 'mqtt' | 'mqtts' | 'ws' | 'wss';

/** Where a broker listens. */
export interface BrokerListener extends Address {
  readonly scheme: BrokerScheme;
}

const SCHEMES: readonly BrokerScheme[] = ['mqtt', 'mqtts', 'ws', 'wss'];

/** Takes `mqtt://host:port` apart, or `mqtts`, `ws`, `wss`; port 0 stands for a free one. Throws `address-invalid`. */
export function parseListener(text: string): BrokerListener {
  const scheme = SCHEMES.find((one) => text.startsWith(`${one}://`));
  if (scheme) return { ...parseAddress(text, scheme, 0), scheme };
  throw new SealwireError('address-invalid', `${JSON.stringify(text)} is not an address that a broker listens at.`, {
    hint: 'Write it like mqtt://127.0.0.1:1883; mqtts, ws and wss go too.',
  });
}

/** Whether TLS lies beneath. */
export function usesTls({ scheme }: BrokerListener): boolean {
  return scheme === 'mqtts' || scheme === 'wss';
}

/** Whether WebSocket lies beneath. */
export function usesWebSocket({ scheme }: BrokerListener): boolean {
  return scheme === 'ws' || scheme === 'wss';
}

/** Whether only this machine can reach it. */
export function isLoopback({ host }: BrokerListener): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * The same places with free ports for those asked for as 0, all bound for a moment to see that they can be. Another
 * program may take one before the caller does. Throws `address-invalid`.
 */
export async function probeListeners(listeners: readonly BrokerListener[]): Promise<BrokerListener[]> {
  const servers: Server[] = [];
  try {
    const found: BrokerListener[] = [];
    // One after the other and all kept, so that no two get the same free port.
    for (const listener of listeners) {
      const server = createServer();
      servers.push(server);
      found.push({ ...listener, port: await listenAt(server, listener) });
    }
    return found;
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** Binds `server` and gives its port; throws `address-invalid`. */
export async function listenAt(server: Server, listener: BrokerListener): Promise<number> {
  const { host, port } = listener;
  const bound = Promise.withResolvers<void>();
  server.once('listening', bound.resolve).once('error', bound.reject);
  server.listen({ host, port });
  try {
    await bound.promise;
  } catch (error) {
    throw addressError(error, formatAddress(listener));
  }
  server.off('error', bound.reject);
  const address = server.address();
  return typeof address === 'object' && address ? address.port : port;
}
