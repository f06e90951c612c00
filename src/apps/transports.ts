import { SealwireError } from '../core/errors.ts';
import type { Connection, Listener } from '../core/ports.ts';
import { dialTcp, listenTcp } from '../node/tcp.ts';

/** Opens a connection to an address of any scheme that is spoken here; throws `address-invalid` for others. */
export function dial(address: string, signal?: AbortSignal): Promise<Connection> {
  if (schemeOf(address) === 'tcp') return dialTcp(address, signal ? { signal } : {});
  return Promise.reject(unknownScheme(address));
}

/** Listens at an address of any scheme that is spoken here; throws `address-invalid` for others. */
export function listen(address: string): Promise<Listener> {
  if (schemeOf(address) === 'tcp') return listenTcp(address);
  return Promise.reject(unknownScheme(address));
}

function schemeOf(address: string): string {
  return address.slice(0, Math.max(0, address.indexOf('://')));
}

function unknownScheme(address: string): SealwireError {
  return new SealwireError('address-invalid', `${JSON.stringify(address)} is not an address that is spoken here.`, {
    hint: 'Write it like tcp://127.0.0.1:7700.',
  });
}
