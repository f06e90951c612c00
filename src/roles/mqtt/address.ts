import { SealwireError } from '../../core/errors.ts';

/** How a broker is reached: MQTT bare, over TLS, and both over WebSocket. */
export type BrokerScheme = 'mqtt' | 'mqtts' | 'ws' | 'wss';

/** A broker's URL, taken apart. */
export interface BrokerAddress {
  readonly scheme: BrokerScheme;
  /** A name or an IP address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** For WebSocket: from the first slash on, with the query. */
  readonly path: string;
  readonly username?: string;
  readonly password?: string;
  /** The URL without what is secret, for people. */
  readonly remote: string;
}

const PORTS: Readonly<Record<BrokerScheme, number>> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

// No URL class: it is not of the language, and it knows neither mqtt:// nor its port.
const FORM =
  /^(?<scheme>mqtts?|wss?):\/\/(?:(?<user>[^\s/?#@:]*)(?::(?<pass>[^\s/?#@]*))?@)?(?<host>\[[\da-f:.]+\]|[^\s/?#@:[\]]+)(?::(?<port>\d{1,5}))?(?<path>\/[^\s#]*)?$/i;

/** Takes `mqtt://host:port` apart, or `mqtts`, `ws`, `wss`; the port may be left out. Throws `address-invalid`. */
export function parseBrokerUrl(url: string): BrokerAddress {
  const parts = FORM.exec(url)?.groups;
  if (!parts?.['host'] || !parts['scheme']) throw invalid(url, 'it is not of the form mqtt://host:port');
  const scheme = parts['scheme'].toLowerCase() as BrokerScheme;
  const port = Number(parts['port'] ?? PORTS[scheme]);
  if (port < 1 || port > 65_535) throw invalid(url, 'it names no port from 1 to 65535');
  const path = parts['path'] ?? '/';
  if (!scheme.startsWith('ws') && path !== '/') throw invalid(url, 'a path is for ws:// and wss:// only');
  const place = `${scheme}://${parts['host']}:${port}`;
  return {
    scheme,
    host: parts['host'].replace(/^\[|\]$/g, ''),
    port,
    path,
    remote: path === '/' ? place : `${place}${path.replace(/\?.*/s, '')}`,
    ...(parts['user'] ? { username: decoded(parts['user'], url) } : {}),
    ...(parts['pass'] === undefined ? {} : { password: decoded(parts['pass'], url) }),
  };
}

/** Whether TLS lies beneath. */
export function usesTls({ scheme }: Pick<BrokerAddress, 'scheme'>): boolean {
  return scheme === 'mqtts' || scheme === 'wss';
}

function decoded(text: string, url: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(url, 'its user name or password is not percent-encoded UTF-8');
  }
}

function invalid(url: string, why: string): SealwireError {
  // What stands before an @ may be a password.
  const shown = url.replace(/\/\/[^/]*@/, '//…@').slice(0, 200);
  return new SealwireError('address-invalid', `The broker’s address “${shown}” cannot be used: ${why}.`, {
    hint: 'Write it like mqtt://127.0.0.1:1883, mqtts://broker.example:8883 or wss://broker.example/mqtt.',
  });
}
