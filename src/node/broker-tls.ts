import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { SealwireError } from '../core/errors.ts';
import { readSmallFile } from './files.ts';
import { isProtectedKey } from './key-files.ts';

/** The files of a broker's TLS; all PEM. */
export interface BrokerTlsFiles {
  /** The broker's own certificate, followed by those of its issuers. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Whose certificates clients must show: authorities, or self-signed certificates themselves. Nobody needs one else. */
  readonly clientsFile?: string;
}

/** What stands in them. */
export interface BrokerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/**
 * Reads the files and sees whether TLS can be spoken with them. Throws `file-unreadable`, `file-exposed` for a key that
 * others may read, `passphrase-required`, `certificate-invalid`.
 */
export async function readBrokerTls(files: BrokerTlsFiles): Promise<BrokerTls> {
  const { certificateFile, keyFile, clientsFile } = files;
  const key = await readSmallFile(keyFile, { secret: true });
  if (isProtectedKey(key)) {
    throw new SealwireError('passphrase-required', `The key in ${keyFile} is protected, and a broker cannot open it.`, {
      hint: 'Give the broker a key of its own without a passphrase: sealwire init NAME.',
    });
  }
  const cert = await readSmallFile(certificateFile);
  const ca = clientsFile === undefined ? {} : { ca: await readSmallFile(clientsFile) };
  const tls: BrokerTls = { cert, key, ...ca };
  try {
    createSecureContext(tls);
    // A file without any would let in nobody.
    if (tls.ca !== undefined) new X509Certificate(tls.ca);
  } catch (cause) {
    const where = [certificateFile, keyFile, ...(clientsFile === undefined ? [] : [clientsFile])].join(', ');
    throw new SealwireError('certificate-invalid', `TLS cannot be spoken with ${where}: ${reasonOf(cause)}.`, {
      hint: 'All are PEM; the first certificate must be the one for this key.',
      cause,
    });
  }
  return tls;
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return 'reason' in cause && cause.reason ? String(cause.reason) : cause.message;
}
