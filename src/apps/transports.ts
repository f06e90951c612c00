import type { KeyObject } from 'node:crypto';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import type { Connection, Listener } from '../core/ports.ts';
import { dialTcp, listenTcp } from '../node/tcp.ts';
import { dialTls, listenTls, type TlsIdentity } from '../node/tls.ts';
import { Authenticating, type AuthenticatingOptions, type Expected } from '../roles/authenticating.ts';

/** What the transports take of an identity: TLS shows its certificate and judges the far end by the same trust. */
export interface TransportIdentity {
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  readonly privateKey: KeyObject;
}

/** Told of far ends that TLS itself turned away. */
export type OnTlsRefused = (error: SealwireError, remote: string) => void;

/** Dials and listens at addresses of every scheme that is spoken here, as one identity. */
export class Transports {
  readonly #identity: TransportIdentity;
  readonly #authenticating: Authenticating;

  constructor(identity: TransportIdentity, options: AuthenticatingOptions) {
    this.#identity = identity;
    this.#authenticating = new Authenticating(options);
  }

  /** Opens a connection to `tcp://…` or `tls://…`; throws `address-invalid`, `peer-unreachable` and others. */
  async dial(address: string, expected: Expected): Promise<Connection> {
    const scheme = schemeOf(address);
    if (scheme === 'tcp') return dialTcp(address);
    if (scheme === 'tls') return dialTls(address, this.#tlsIdentity(expected));
    throw unknownScheme(address);
  }

  /** Listens at `tcp://…` or `tls://…`; throws `address-invalid`. */
  async listen(address: string, onRefused: OnTlsRefused = () => {}): Promise<Listener> {
    const scheme = schemeOf(address);
    if (scheme === 'tcp') return listenTcp(address);
    if (scheme !== 'tls') throw unknownScheme(address);
    return listenTls(address, this.#tlsIdentity(null), {
      onRefused: (cause, remote) => onRefused(asSealwireError(cause), remote),
    });
  }

  #tlsIdentity(expected: Expected): TlsIdentity {
    const { certificates, privateKey } = this.#identity;
    return {
      certificatesDer: certificates,
      privateKey,
      checkPeer: async (chain) => {
        await this.#authenticating.judge(chain, expected);
      },
    };
  }
}

function asSealwireError(cause: unknown): SealwireError {
  return isSealwireError(cause) ? cause : new SealwireError('handshake-failed', 'A TLS handshake failed.', { cause });
}

function schemeOf(address: string): string {
  return address.slice(0, Math.max(0, address.indexOf('://')));
}

function unknownScheme(address: string): SealwireError {
  return new SealwireError('address-invalid', `${JSON.stringify(address)} is not an address that is spoken here.`, {
    hint: 'Write it like tcp://127.0.0.1:7700 or tls://127.0.0.1:7700.',
  });
}
