import { SealwireError } from '../core/errors.ts';
import { readSmallFile } from './files.ts';

const CHARACTERS_MAX = 1024;

/**
 * The first line of a file that nobody else may read, or of a pipe. Throws `file-exposed`, `file-unreadable`, and
 * `usage` where the line is empty or longer than 1,024 characters.
 */
export async function readPassphrase(path: string): Promise<string> {
  const text = await readSmallFile(path, { secret: true });
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line === '') throw new SealwireError('usage', `The first line of ${path}, the passphrase, is empty.`);
  if (line.length <= CHARACTERS_MAX) return line;
  throw new SealwireError('usage', `The passphrase in ${path} is longer than ${CHARACTERS_MAX} characters.`);
}
