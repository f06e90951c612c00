import { formatAddress } from './address.ts';
import type { BrokerListener, BrokerScheme } from './broker-listener.ts';
import type { ServerExit } from './child-server.ts';

/** The brokers that can be run here. */
export type BrokerKind = 'mosquitto' | 'aedes';

/** A broker at work, of whatever kind. */
export interface RunningBroker extends AsyncDisposable {
  readonly kind: BrokerKind;
  /** Where it listens, as asked, with the real ports. */
  readonly addresses: readonly string[];
  /** The first of them of each scheme. */
  readonly urls: Readonly<Partial<Record<BrokerScheme, string>>>;
  /** What it said last, oldest first, bounded; grows while it runs. */
  readonly log: readonly string[];
  /** The process that serves. */
  readonly pid: number | undefined;
  /** Resolves when it has ended, whether asked to or not; never rejects. */
  readonly exited: Promise<ServerExit>;
  /** Ends it and resolves when its ports are free and its files gone; idempotent, never rejects. */
  stop(): Promise<void>;
}

/** The listeners as text, each and by scheme. */
export function brokerUrls(listeners: readonly BrokerListener[]): Pick<RunningBroker, 'addresses' | 'urls'> {
  const urls: Partial<Record<BrokerScheme, string>> = {};
  for (const listener of listeners) urls[listener.scheme] ??= formatAddress(listener);
  return { addresses: listeners.map(formatAddress), urls };
}
