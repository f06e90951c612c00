import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { parseCertificate } from '../identity/certificate.ts';
import { identityId } from '../identity/id.ts';
import type { Certificates } from './statement.ts';

/** Who a chain of certificates is about, as far as a ledger needs it. */
export interface LedgerIdentity {
  /** 32 bytes: SHA-256 of the SPKI. */
  readonly id: Uint8Array;
  /** Uncompressed P-256 point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** The certificate's common name, which whoever made the certificate chose; null where it has none. */
  readonly name: string | null;
}

/**
 * Reads the leaf of a chain: its key, which its id is the hash of, and the name it gives. Whether the chain holds is
 * not judged here. Throws `certificate-invalid`, `key-invalid`, `unsupported` or `too-large`.
 */
export function readIdentity(crypto: Crypto, certificates: Certificates): LedgerIdentity {
  const [der] = certificates;
  if (!der) throw new SealwireError('certificate-invalid', 'There is no certificate.');
  const { publicKey, commonName } = parseCertificate(der);
  return { id: identityId(crypto, publicKey), publicKey, name: commonName ?? null };
}
