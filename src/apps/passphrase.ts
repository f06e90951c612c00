import { readFile } from 'node:fs/promises';
import { SealwireError } from '../core/errors.ts';

/** The first line of a file, where one is named: a passphrase never stands among the arguments, which others can see. */
export async function readPassphrase(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/, 1);
  if (line === '') {
    throw new SealwireError('passphrase-required', `The first line of ${file} is empty.`, {
      hint: 'Put the passphrase there.',
    });
  }
  return line;
}
