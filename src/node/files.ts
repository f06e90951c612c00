import { randomBytes } from 'node:crypto';
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SealwireError } from '../core/errors.ts';
import { shellWord } from '../core/identity/id.ts';

/** Keys, certificates and lists of trust are small; a larger file is something else. */
const SMALL_FILE_BYTES_MAX: number = 4 * 1024 * 1024;

const WHY: Record<string, string> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is not a directory',
  EISDIR: 'it is a directory',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ELOOP: 'it is a loop of links',
  ENAMETOOLONG: 'its name is too long',
};

/** How a file is read. */
export interface ReadOptions {
  /** Refuses a file that other users may read. */
  readonly secret?: boolean;
  /** 4 MiB unless told. */
  readonly bytesMax?: number;
}

/** The text of a small file; throws as {@link readSmallFileBytes}, and `malformed` where it is not UTF-8. */
export async function readSmallFile(path: string, options: ReadOptions = {}): Promise<string> {
  const bytes = await readSmallFileBytes(path, options);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SealwireError('malformed', `${path} is not UTF-8 text.`, {
      hint: 'It may be damaged, or another file than it should be.',
      cause,
    });
  }
}

/** A small file, read to its end, so that pipes work too. Throws `file-unreadable`, `too-large` and `file-exposed`. */
export async function readSmallFileBytes(path: string, { secret, bytesMax }: ReadOptions = {}): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    if (secret) await checkUnexposed(file, path);
    return await readBounded(file, path, bytesMax);
  } catch (cause) {
    if (cause instanceof SealwireError) throw cause;
    throw unreadable(path, cause);
  } finally {
    await file?.close();
  }
}

function unreadable(path: string, cause: unknown): SealwireError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  return new SealwireError('file-unreadable', `${path} cannot be read: ${WHY[code] ?? code}.`, {
    hint: 'Check the path, and what this user may do there.',
    cause,
  });
}

async function checkUnexposed(file: FileHandle, path: string): Promise<void> {
  const status = await file.stat();
  if (process.platform === 'win32' || !status.isFile() || (status.mode & 0o077) === 0) return;
  const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
  throw new SealwireError('file-exposed', `${path} holds a secret, but other users may reach it (mode ${mode}).`, {
    hint: `If nobody has read it: chmod 600 ${shellWord(path)}`,
  });
}

async function readBounded(file: FileHandle, path: string, bytesMax = SMALL_FILE_BYTES_MAX): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of file.createReadStream({ autoClose: false })) {
    total += chunk.length;
    if (total > bytesMax) {
      throw new SealwireError('too-large', `${path} is over the bound of ${bytesMax} bytes.`, {
        hint:
          bytesMax === SMALL_FILE_BYTES_MAX
            ? 'Keys, certificates and lists of trust are small: it may be another file than it should be.'
            : 'Split it, or choose another file.',
      });
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** Writes a file that only its owner may read, whole or not at all, in place of what may stand there. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = await writeTemporary(path, content);
  try {
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  await syncDirectory(dirname(path));
}

/** As {@link replaceFile}, but rejects with Node's `EEXIST` where something stands there already. */
export async function createFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = await writeTemporary(path, content);
  try {
    // A rename would overwrite what another process put there meanwhile.
    await link(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
}

async function writeTemporary(path: string, content: string | Uint8Array): Promise<string> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  } finally {
    await file.close();
  }
  return temporary;
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
