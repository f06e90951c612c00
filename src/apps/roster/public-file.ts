import { writeFile } from 'node:fs/promises';
import { SealwireError } from '../../core/errors.ts';

/** Writes a file that others may read: nothing in it is secret. */
export async function writePublicFile(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(path, bytes);
  } catch (cause) {
    throw new SealwireError('file-unwritable', `${path} cannot be written.`, { cause });
  }
}
