import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import { formatId, parseId } from '../core/identity/id.ts';
import { ROSTER_BYTES_MAX } from '../core/limits.ts';
import type { RosterStore } from '../core/roster/store.ts';
import type { RosterTrust } from '../core/roster/succession.ts';
import { createFile, readSmallFile, readSmallFileBytes, replaceFile } from './files.ts';
import { type Home, notWritten } from './home.ts';

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
    const inOrder = (await this.#files()).toSorted(
      (one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10),
    );
    return Promise.all(
      inOrder.map((name) => readSmallFileBytes(join(this.#directory, name), { bytesMax: ROSTER_BYTES_MAX })),
    );
  }

  /** Two commands of one home may take in the same version; throws `file-unwritable` where they make two of one number. */
  async keep(version: number, bytes: Uint8Array): Promise<void> {
    const path = join(this.#directory, `${String(version).padStart(6, '0')}.cose`);
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await createFile(path, bytes);
    } catch (cause) {
      const there = await readSmallFileBytes(path, { bytesMax: ROSTER_BYTES_MAX }).catch(() => undefined);
      if (!there) throw notWritten(path, cause);
      if (equalBytes(there, bytes)) return;
      throw new SealwireError('file-unwritable', `Another version ${version} of the roster is in ${path} already.`, {
        hint: 'Another command was at work on it at the same time: run this one again.',
        cause,
      });
    }
  }

  async fork(): Promise<Uint8Array | null> {
    try {
      return await readSmallFileBytes(this.#forkFile, { bytesMax: ROSTER_BYTES_MAX });
    } catch (error) {
      if (isSealwireError(error, 'file-unreadable') && isMissing(error.cause)) return null;
      throw error;
    }
  }

  async keepFork(bytes: Uint8Array): Promise<void> {
    if (!(await this.fork())) await write(this.#forkFile, bytes);
  }

  get #forkFile(): string {
    return join(this.#directory, 'fork.cose');
  }

  /** Forgets every version. */
  async clear(): Promise<void> {
    await rm(this.#forkFile, { force: true });
    for (const name of await this.#files()) await rm(join(this.#directory, name), { force: true });
  }

  async #files(): Promise<string[]> {
    try {
      return (await readdir(this.#directory)).filter((name) => VERSION_FILE.test(name));
    } catch (cause) {
      // Whoever took what cannot be read for nothing would begin again with an old roster.
      if (isMissing(cause)) return [];
      throw new SealwireError('file-unreadable', `The roster in ${this.#directory} cannot be read.`, { cause });
    }
  }
}

/**
 * Which roster the home goes by, and on whose word; undefined for none. Throws `malformed`, and `file-unreadable` where
 * there may be one.
 */
export async function readRosterTrust(home: Home): Promise<RosterTrust | undefined> {
  const text = await readSmallFile(trustFile(home)).catch((error: unknown) => {
    if (isSealwireError(error, 'file-unreadable') && isMissing(error.cause)) return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
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
  await write(trustFile(home), `${JSON.stringify({ name, authority: formatId(authorityId) }, null, 2)}\n`);
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await replaceFile(path, content);
  } catch (cause) {
    throw notWritten(path, cause);
  }
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

function trustFile(home: Home): string {
  return join(rosterDirectory(home), 'authority.json');
}
