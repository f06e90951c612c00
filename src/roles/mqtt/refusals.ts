import { SealwireError } from '../../core/errors.ts';
import { reasonCode, reasonText } from './client.ts';

/** Why a connection to a broker did not come about, or ended. */
export type Failure =
  | { readonly kind: 'error'; readonly error: unknown }
  /** The broker hung up without a word. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'silent'; readonly timeoutMs: number };

/** The error that a failed attempt to connect stands for: `broker-unreachable`, `broker-refused`, `certificate-invalid`. */
export function connectFailure(remote: string, failure: Failure): SealwireError {
  switch (failure.kind) {
    case 'silent':
      return new SealwireError('broker-unreachable', `${remote} gave no answer within ${failure.timeoutMs} ms.`, {
        hint: 'Check the address: something listens there, but it may not be an MQTT broker.',
      });
    case 'closed':
      return new SealwireError('broker-refused', `${remote} hung up before it answered.`, {
        hint: SPEAKS,
      });
    case 'error':
      return errorFailure(remote, failure.error);
  }
}

/** True where a broker of MQTT 3.1.1 may have meant the version: it says so, hangs up, or answers in its own format. */
export function mayBeVersion(failure: Failure): boolean {
  if (failure.kind !== 'error') return failure.kind === 'closed';
  const reason = reasonCode(failure.error);
  // 0x84 and, from one that does not know MQTT 5, 1: unsupported protocol version.
  if (reason !== undefined) return reason === 1 || reason === 0x84;
  const code = systemCode(failure.error);
  return code === '' || code === 'ECONNRESET' || code === 'EPIPE';
}

/** What a connection that was up died of; `reason` is what the broker's DISCONNECT said. */
export function lossError(remote: string, failure: Failure, reason: number | undefined): SealwireError {
  const cause = failure.kind === 'error' ? failure.error : undefined;
  const why = reason === undefined ? (cause === undefined ? '' : said(cause)) : reasonText(reason);
  const sentence = `The connection to ${remote} broke off${why === '' ? '' : `: ${why}`}.`;
  return new SealwireError('broker-unreachable', sentence, {
    hint: 'It is made again.',
    cause,
  });
}

function errorFailure(remote: string, cause: unknown): SealwireError {
  const reason = reasonCode(cause);
  if (reason !== undefined) {
    return new SealwireError('broker-refused', `${remote} refuses the connection: ${reasonText(reason)}.`, {
      hint: REASON_HINTS[reason] ?? 'Ask who runs the broker.',
      cause,
    });
  }
  const code = systemCode(cause);
  const saying = SAYINGS.find(([form]) => form.test(code));
  const why = said(cause) || code;
  if (!saying) {
    return new SealwireError('broker-refused', `${remote} cannot be used: ${why}.`, {
      hint: 'Check that it speaks MQTT at this port, and whether it wants TLS or WebSocket.',
      cause,
    });
  }
  const [, kind, sentence, hint] = saying;
  return new SealwireError(kind, sentence.replace('%', remote).replace('#', why), { hint, cause });
}

/** What a piece of software says, as the end of a sentence. OpenSSL puts its own places in the source around it. */
function said(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const reason = /SSL routines:[^:]*:([^:]+)/.exec(message)?.[1] ?? message;
  return (reason.split(/[;\n]/, 1)[0] ?? '').replace(/[\s.:]+$/, '');
}

function systemCode(error: unknown): string {
  // Several addresses of one host were tried: the first failure stands for all.
  if (error instanceof AggregateError && error.errors.length > 0) return systemCode(error.errors[0]);
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const CREDENTIALS = 'Check the user name and password.';
const RIGHTS = 'Ask who runs the broker for the right to connect, or check the certificate that is shown to it.';
const LATER = 'Try again later.';

const REASON_HINTS: Readonly<Record<number, string>> = {
  1: 'Try it with the other version of MQTT.',
  132: 'Try it with the other version of MQTT.',
  2: 'Choose another client id.',
  133: 'Choose another client id.',
  4: CREDENTIALS,
  134: CREDENTIALS,
  5: RIGHTS,
  135: RIGHTS,
  138: RIGHTS,
  3: LATER,
  136: LATER,
  137: LATER,
};

type Saying = readonly [RegExp, 'broker-unreachable' | 'broker-refused' | 'certificate-invalid', string, string];

const SPEAKS = 'Check that it speaks MQTT at this port, and whether it wants TLS.';
const ONLINE = 'Check the address and the network in between.';

/** What Node.js says, by its codes; a browser tells nobody why. */
const SAYINGS: readonly Saying[] = [
  [/^ECONNREFUSED$/, 'broker-unreachable', 'Nothing listens at %.', 'Start the broker first, or check the port.'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'broker-unreachable', 'Nobody knows the host of %.', 'Check its spelling and the DNS.'],
  [/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/, 'broker-unreachable', 'There is no way to % in the network.', ONLINE],
  [/^ETIMEDOUT$/, 'broker-unreachable', '% does not answer.', ONLINE],
  [
    /^(ECONNRESET|EPIPE)$/,
    'broker-refused',
    '% hung up before it answered.',
    'Check whether it wants TLS at this port.',
  ],
  [
    /^ERR_SSL_.*(CERTIFICATE|UNKNOWN_CA|ALERT_ACCESS_DENIED|DECRYPT_ERROR)/,
    'broker-refused',
    '% does not accept the certificate that it was shown, or was shown none: #.',
    'Give it a certificate and key from an authority that the broker trusts.',
  ],
  [/^(ERR_SSL_|EPROTO$)/, 'broker-refused', 'TLS with % failed: #.', 'Check that it speaks TLS at this port.'],
  [
    /^(ERR_OSSL_|ERR_TLS_INVALID_CONTEXT$|ERR_INVALID_ARG)/,
    'certificate-invalid',
    'TLS to % cannot be begun with these certificates and this key: #.',
    'All are PEM; the key must be that of the first certificate.',
  ],
  [
    /CERT|ISSUER|SIGNATURE|INVALID_CA|HOSTNAME_MISMATCH|PATH_LENGTH|CRL/,
    'broker-refused',
    'The certificate that % shows is not trusted: #.',
    'Give the authority that it comes from, and the name that it was made out to.',
  ],
];
