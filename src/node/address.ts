import { SealwireError } from '../core/errors.ts';

/** A place in the network, taken apart. */
export interface Address {
  /** Without the colon: `tcp`. */
  readonly scheme: string;
  /** A name or an IP address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

/** Ports that a URL leaves out although they were written (WHATWG URL, special schemes). */
const LEFT_OUT: Readonly<Record<string, string>> = { ws: '80', wss: '443' };

/** Takes `scheme://host:port` apart; throws `address-invalid` for anything else. Port 0 is for listeners only. */
export function parseAddress(text: string, scheme: string, portMin: 0 | 1): Address {
  const url = URL.parse(text);
  if (!url) throw invalid(text, scheme, 'it is not of the form scheme://host:port');
  if (url.protocol !== `${scheme}:`) throw invalid(text, scheme, `it does not begin with ${scheme}://`);
  if (url.username || url.password || url.pathname.replace('/', '') || url.search || url.hash) {
    throw invalid(text, scheme, 'it holds more than a host and a port');
  }
  const portText = url.port || (LEFT_OUT[scheme] ?? '');
  const port = Number(portText);
  if (url.hostname === '') throw invalid(text, scheme, 'it names no host');
  if (portText === '' || port < portMin) throw invalid(text, scheme, `it names no port from ${portMin} to 65535`);
  return { scheme, host: url.hostname.replace(/^\[|\]$/g, ''), port };
}

/** The text of an address. */
export function formatAddress({ scheme, host, port }: Address): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function invalid(text: string, scheme: string, why: string): SealwireError {
  return new SealwireError('address-invalid', `The address “${text}” cannot be used: ${why}.`, {
    hint: `Write it like ${scheme}://127.0.0.1:7700 or ${scheme}://[::1]:7700.`,
  });
}

/** What a socket says about an address, as an error of ours. */
export function addressError(error: unknown, address: string): SealwireError {
  const code = errorCode(error);
  const say = SENTENCES[code];
  if (!say) return new SealwireError('peer-unreachable', `${address} cannot be reached (${code}).`, { cause: error });
  const [kind, sentence, hint] = say;
  return new SealwireError(kind, sentence.replace('%', address), { hint, cause: error });
}

function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown';
  // Several addresses of one host were tried: the first failure stands for all.
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  return 'code' in error ? String(error.code) : 'unknown';
}

type Saying = readonly ['peer-unreachable' | 'address-invalid' | 'timeout', string, string];

const ONLINE: string = 'Check the address and the network in between.';
const UNREACHABLE: Saying = ['peer-unreachable', 'There is no way to % in the network.', ONLINE];
const UNKNOWN_HOST: Saying = ['peer-unreachable', 'Nobody knows the host of %.', 'Check its spelling and the DNS.'];

const SENTENCES: Readonly<Record<string, Saying>> = {
  ECONNREFUSED: ['peer-unreachable', 'Nothing listens at %.', 'Start the other side first, or check the port.'],
  ECONNRESET: ['peer-unreachable', '% hung up at once.', 'It may be overloaded, or speak something else.'],
  ENOTFOUND: UNKNOWN_HOST,
  EAI_AGAIN: UNKNOWN_HOST,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  ETIMEDOUT: ['timeout', '% does not answer.', ONLINE],
  EADDRINUSE: ['address-invalid', '% is in use by another program.', 'Choose another port; 0 picks a free one.'],
  EADDRNOTAVAIL: ['address-invalid', '% is not an address of this machine.', 'Use 127.0.0.1, or 0.0.0.0 for all.'],
  EACCES: ['address-invalid', '% may not be used by this user.', 'Choose a port from 1024 up.'],
};
