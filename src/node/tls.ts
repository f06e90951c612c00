import type { KeyObject } from 'node:crypto';
import { createServer, type DetailedPeerCertificate, type TLSSocket, connect as tlsTo } from 'node:tls';
import { base64 } from '@scure/base';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import { Handoff } from '../core/handoff.ts';
import { TUNING } from '../core/limits.ts';
import type { Connection, Eventually, Listener } from '../core/ports.ts';
import { formatAddress, parseAddress } from './address.ts';
import { SocketConnection } from './socket-connection.ts';
import { type DialOptions, type ListenOptions, listening, offer, opened, remoteOf } from './tcp.ts';

/** Who we are in TLS, and who the far end may be. */
export interface TlsIdentity {
  /** The identity's own certificate, then what leads to its CA; DER. */
  readonly certificatesDer: readonly Uint8Array[];
  /** The private key of the first certificate. */
  readonly privateKey: KeyObject;
  /**
   * Judges the far end by the certificates it presents (DER, its own first; never none) and throws to refuse it.
   * TLS has shown by then that it holds the first one's key; nothing else about it is checked elsewhere. Called
   * before any unit is delivered.
   */
  checkPeer(certificatesDer: readonly Uint8Array[]): Eventually<void>;
}

/** Told of each far end that a listener refuses, before or in `checkPeer`. */
export type OnRefused = (error: unknown, remote: string) => void;

/** Only this protocol is spoken over our TLS (RFC 7301), so that no other can be mistaken for it. */
const ALPN = 'sealwire/1';

/**
 * Opens a connection to `tls://host:port` over TLS 1.3 with certificates on both sides. Throws as `dialTcp` does, and
 * `handshake-failed`, `certificate-invalid`, or what `checkPeer` throws. There is no fallback. The listener's own
 * verdict on us comes later (RFC 8446, section 4.4.2): as `stream-cut` of the first `receive`.
 */
export async function dialTls(address: string, identity: TlsIdentity, options: DialOptions = {}): Promise<Connection> {
  const { host, port } = parseAddress(address, 'tls', 1);
  const remote = formatAddress({ scheme: 'tls', host, port });
  const socket = tlsTo({
    host,
    port,
    ...tlsOptions(identity),
    ALPNProtocols: [ALPN],
    checkServerIdentity: () => undefined,
  });
  try {
    await opened(socket, 'secureConnect', remote, options);
    await judge(socket, identity, remote);
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throw tlsError(error, remote);
  }
  return new SocketConnection(socket, remote, options);
}

/** Listens at `tls://host:port`; far ends that are refused never show up in `accept`, only in `onRefused`. */
export function listenTls(
  address: string,
  identity: TlsIdentity,
  options: ListenOptions & { readonly onRefused?: OnRefused } = {},
): Promise<Listener> {
  const { onRefused = () => {} } = options;
  const server = createServer({
    ...tlsOptions(identity),
    requestCert: true,
    ALPNProtocols: [ALPN],
    handshakeTimeout: TUNING.connectTimeoutMs,
  });
  const connections = new Handoff<Connection>();
  server.on('tlsClientError', (error, socket) => {
    onRefused(tlsError(error, remoteOf(socket, 'tls')), remoteOf(socket, 'tls'));
  });
  server.on('secureConnection', (socket) => {
    const remote = remoteOf(socket, 'tls');
    judge(socket, identity, remote).then(
      () => offer(new SocketConnection(socket, remote, options), connections),
      (error: unknown) => {
        socket.destroy();
        onRefused(tlsError(error, remote), remote);
      },
    );
  });
  return listening(server, connections, address, 'tls', options);
}

function tlsOptions({ certificatesDer, privateKey }: TlsIdentity) {
  return {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    cert: certificatesDer.map(toPem).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    // Names and CAs say nothing here: `checkPeer` judges.
    rejectUnauthorized: false,
  } as const;
}

function toPem(der: Uint8Array): string {
  const lines = base64.encode(der).replace(/(.{64})(?=.)/g, '$1\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

async function judge(socket: TLSSocket, identity: TlsIdentity, remote: string): Promise<void> {
  // Nobody else listens for errors while the far end is judged.
  const ignore = (): void => {};
  socket.on('error', ignore);
  if (socket.alpnProtocol !== ALPN) {
    throw new SealwireError('handshake-failed', `${remote} speaks TLS, but not Sealwire.`);
  }
  const chain = chainOf(socket.getPeerCertificate(true));
  if (chain.length === 0) {
    throw new SealwireError('certificate-invalid', `${remote} presents no certificate.`, {
      hint: 'Over tls:// both sides show the certificate of their identity.',
    });
  }
  await identity.checkPeer(chain);
  if (socket.destroyed) throw new SealwireError('stream-cut', `${remote} went away before it was judged.`);
  socket.off('error', ignore);
}

function chainOf(first: DetailedPeerCertificate): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<string>();
  let next: DetailedPeerCertificate | undefined = first;
  // A self-signed certificate names itself as its issuer.
  while (next?.raw && !seen.has(next.fingerprint256)) {
    seen.add(next.fingerprint256);
    chain.push(new Uint8Array(next.raw));
    next = next.issuerCertificate;
  }
  return chain;
}

/** Socket errors of TLS itself become `handshake-failed`; what is not a socket's error stays what it is. */
function tlsError(error: unknown, remote: string): unknown {
  const failure = isSealwireError(error) ? error.cause : error;
  if (!isTlsFailure(failure)) return error;
  const reason = 'reason' in failure ? `: ${String(failure.reason)}` : '';
  return new SealwireError('handshake-failed', `TLS 1.3 with ${remote} failed${reason}.`, {
    hint: 'Check that both sides use a tls:// address.',
    cause: failure,
  });
}

function isTlsFailure(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && /^ERR_(SSL|TLS)_|^EPROTO$/.test(String(error.code));
}
