import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { formatId, parseId } from '../core/identity/id.ts';
import { ROSTER_BYTES_MAX } from '../core/limits.ts';
import type { RosterStore } from '../core/roster/store.ts';
import type { RosterTrust } from '../core/roster/succession.ts';
import { createFile, readSmallFile, readSmallFileBytes, replaceFile } from './files.ts';
import type { Home } from './home.ts';

const VERSION_FILE = /^\d{6,}\.cose$/;

/** Where a home keeps the roster that it goes by. */
function rosterDirectory({ directory }: Home): string {
  return join(directory, 'roster');
}

/** Versions of one roster as files, one each, for whoever looks into the home. */
export class RosterFiles implements RosterStore {
  readonly #directory: string;

  constructor(home: Home) {
    this.#directory = rosterDirectory(home);
  }

  async load(): Promise<readonly Uint8Array[]> {
    const files = await this.#files();
    return Promise.all(files.map((path) => readSmallFileBytes(path, { bytesMax: ROSTER_BYTES_MAX })));
  }

  /** Two commands of one home may take in the same version; throws `file-unwritable` where they make two of one number. */
  async keep(version: number, bytes: Uint8Array): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const path = join(this.#directory, `${String(version).padStart(6, '0')}.cose`);
    try {
      await createFile(path, bytes);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new SealwireError('file-unwritable', `${path} cannot be written.`, { cause });
      }
      if (equalBytes(await readSmallFileBytes(path, { bytesMax: ROSTER_BYTES_MAX }), bytes)) return;
      throw new SealwireError('file-unwritable', `Another version ${version} of the roster is in ${path} already.`, {
        hint: 'Another command was at work on it at the same time: run this one again.',
        cause,
      });
    }
  }

  /** Forgets every version. */
  async clear(): Promise<void> {
    for (const path of await this.#files()) await rm(path, { force: true });
  }

  async #files(): Promise<string[]> {
    const names = await readdir(this.#directory).catch(() => []);
    return names
      .filter((name) => VERSION_FILE.test(name))
      .toSorted()
      .map((name) => join(this.#directory, name));
  }
}

/** Which roster the home goes by, and on whose word; undefined for none. Throws `malformed`. */
export async function readRosterTrust(home: Home): Promise<RosterTrust | undefined> {
  if (!existsSync(trustFile(home))) return undefined;
  const text = await readSmallFile(trustFile(home));
  try {
    const { name, authority } = JSON.parse(text) as { readonly name?: unknown; readonly authority?: unknown };
    if (typeof name === 'string' && typeof authority === 'string') return { name, authorityId: parseId(authority) };
  } catch {
    // Told below.
  }
  throw new SealwireError('malformed', `${trustFile(home)} does not say whose roster this home goes by.`, {
    hint: 'Take the roster once more: sealwire roster join.',
  });
}

/** From now on the home goes by this roster; throws `file-unwritable`. */
export async function writeRosterTrust(home: Home, { name, authorityId }: RosterTrust): Promise<void> {
  await mkdir(rosterDirectory(home), { recursive: true, mode: 0o700 });
  await replaceFile(trustFile(home), `${JSON.stringify({ name, authority: formatId(authorityId) }, null, 2)}\n`);
}

function trustFile(home: Home): string {
  return join(rosterDirectory(home), 'authority.json');
}
