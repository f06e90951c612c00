import { systemClock } from '../node/clock.ts';
import { initHome } from './identity.ts';

/**
 * Makes a home with a new identity, as `sealwire init` does: a key without a passphrase, and a certificate that it
 * signed itself. Gives its id, `SHA256:…`. Throws `home-exists`, and `usage` for a name that cannot be used.
 */
export async function createIdentity(options: { readonly home: string; readonly name: string }): Promise<string> {
  const { home: directory, name } = options;
  return (await initHome({ directory, name, nowMs: systemClock.now() })).id;
}
