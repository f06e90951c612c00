import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { SealwireError } from '../core/errors.ts';
import type { Certificate } from '../core/identity/certificate.ts';
import { idToTopic } from '../core/identity/id.ts';
import { writeCertificates } from './certificates.ts';
import { nodeSigner } from './crypto.ts';
import { createFile, replaceFile } from './files.ts';
import { checkPair, type Home, readCertificate } from './home.ts';
import { writePrivateKey } from './key-files.ts';

/** The identity that a home goes on with. */
export interface NewIdentity {
  readonly privateKey: KeyObject;
  /** The leaf first. */
  readonly chain: readonly Certificate[];
  /** Protects the key file where it is given. */
  readonly passphrase?: string;
}

/**
 * Puts another key and certificate in the place of a home's own, and keeps the old certificate beside them; gives its
 * path. The old key need not be readable. Cut in the middle, it can be run again. Throws `key-invalid` where key and
 * certificate do not belong together, `file-unwritable`.
 */
export async function replaceIdentity(home: Home, { privateKey, chain, passphrase }: NewIdentity): Promise<string> {
  checkPair(nodeSigner(privateKey).publicKey, chain, home.directory);
  const old = await readCertificate(home);
  const kept = join(home.directory, `replaced-${idToTopic(old.id).slice(0, 16)}.crt`);
  try {
    await createFile(kept, writeCertificates(old.chain.map(({ der }) => der))).catch(ignoreExisting);
    // Until both are there the home does not open: a key never stands beside a certificate that is not its own unseen.
    await replaceFile(home.keyFile, writePrivateKey(privateKey, passphrase));
    await replaceFile(home.certificateFile, writeCertificates(chain.map(({ der }) => der)));
  } catch (cause) {
    if (cause instanceof SealwireError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new SealwireError('file-unwritable', `The identity in ${home.directory} cannot be replaced: ${code}.`, {
      hint: 'Check what this user may do there, then run it again.',
      cause,
    });
  }
  return kept;
}

function ignoreExisting(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'EEXIST') throw cause;
}
