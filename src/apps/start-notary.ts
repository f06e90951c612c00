import type { SealwireError } from '../core/errors.ts';
import { runNotary } from './notary.ts';
import type { NotaryBroker } from './notary-bus.ts';

/** How {@link startNotary} starts. */
export interface StartNotaryOptions {
  /** The directory that `sealwire init` made; the ledger goes there too. */
  readonly home: string;
  /** For a home whose key is protected. */
  readonly passphrase?: string;
  /** Where peers reach it without a broker; a free port on loopback unless told. */
  readonly address?: string;
  /** Where it listens in. */
  readonly broker?: NotaryBroker;
  /** Told of what it refused, and from whom; must not throw. */
  readonly onTrouble?: (error: SealwireError, who: string) => void;
}

/** A notary at work. */
export interface NotaryAtWork extends AsyncDisposable {
  /** `tcp://host:port` */
  readonly address: string;
  /** What `sealwire ledger --help` tells how to look into. */
  readonly ledgerFile: string;
  /** Lets sessions end, then closes the ledger. */
  close(): Promise<void>;
}

/**
 * Keeps the ledger of a home, as `sealwire notary` does, for those whom the home trusts or its roster names. Rejects with
 * `home-missing`, `passphrase-…`, `ledger-broken`, `address-invalid`, `broker-unreachable` and others.
 */
export async function startNotary({
  address = 'tcp://127.0.0.1:0',
  onTrouble,
  ...options
}: StartNotaryOptions): Promise<NotaryAtWork> {
  return runNotary({ ...options, address, ...(onTrouble ? { events: { onTrouble } } : {}) });
}
