import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** Where servers are put that are not on every user's PATH. */
const SERVER_DIRECTORIES: readonly string[] = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin'];

/**
 * The path of an installed program: on the PATH, else where servers are put; undefined where there is none. Relative
 * parts of the PATH are passed over, for what lies in the current directory may be anybody's.
 */
export function findProgram(name: string, path: string = process.env['PATH'] ?? ''): string | undefined {
  const directories = [...path.split(delimiter).filter(isAbsolute), ...SERVER_DIRECTORIES];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
