import { SealwireError } from '../core/errors.ts';
import { type BrokerListener, isLoopback, parseListener, usesTls } from './broker-listener.ts';
import { type BrokerTlsFiles, readBrokerTls } from './broker-tls.ts';
import { findMosquitto, startMosquitto } from './mosquitto.ts';
import type { RunningBroker } from './running-broker.ts';

/** How a broker is started. */
export interface BrokerOptions {
  /** `mqtt://host:port`, or `mqtts`, `ws`, `wss`; port 0 picks a free one. A free one on loopback unless told. */
  readonly listen?: readonly string[];
  /** For `mqtts` and `wss`. */
  readonly tls?: BrokerTlsFiles;
  /** The embedded broker even where Mosquitto is installed. */
  readonly embedded?: boolean;
  /** Lets anyone connect who reaches it, from other machines too. */
  readonly insecure?: boolean;
  /** Told each line that it logs. */
  readonly onLog?: (line: string) => void;
}

/**
 * Starts a broker: Mosquitto where it is installed, else the embedded one. Beyond this machine it listens only with
 * TLS and clients' certificates, unless `insecure`. Throws `address-invalid`, `usage` for options that do not go
 * together, and as {@link readBrokerTls} and {@link startMosquitto}.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<RunningBroker> {
  const { listen = ['mqtt://127.0.0.1:0'], tls, embedded = false, insecure = false, onLog } = options;
  const listeners = listen.map(parseListener);
  for (const listener of listeners) {
    checkTls(listener, tls);
    if (!insecure) checkExposure(listener, tls);
  }
  // Mosquitto says less clearly what is wrong with them.
  if (tls) await readBrokerTls(tls);
  const program = embedded ? undefined : findMosquitto();
  const rest = { listeners, onLog, ...(tls ? { tls } : {}) };
  if (program !== undefined) return startMosquitto(program, rest);
  // No other command needs it, and all would wait for it to load.
  const { startAedes } = await import('./aedes.ts');
  return startAedes(rest);
}

function checkTls(listener: BrokerListener, tls: BrokerTlsFiles | undefined): void {
  if (tls || !usesTls(listener)) return;
  throw new SealwireError('usage', `${listener.scheme}:// needs a certificate and its key.`, {
    hint: 'Give both: --cert FILE --key FILE, for example identity.crt and identity.key of a home.',
  });
}

function checkExposure(listener: BrokerListener, tls: BrokerTlsFiles | undefined): void {
  if (isLoopback(listener) || (usesTls(listener) && tls?.clientsFile !== undefined)) return;
  const what = usesTls(listener) ? 'without asking for certificates' : 'without TLS';
  throw new SealwireError('address-invalid', `At ${listener.host} other machines would get in ${what}.`, {
    hint: 'Use mqtts:// with --cert, --key and --ca, or say --insecure where everybody may.',
  });
}
