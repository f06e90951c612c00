import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesToHex, concatBytes, utf8ToBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { type Checkpoint, checkpointFromJson, checkpointToJson } from '../core/ledger/checkpoint.ts';
import { nodeCrypto } from './crypto.ts';
import { readSmallFile, replaceFile } from './files.ts';

/** Where a home remembers the ledger of that name and notary (id, 32 bytes). */
export function checkpointFile(home: string, origin: string, notaryId: Uint8Array): string {
  const key = nodeCrypto.sha256(concatBytes(notaryId, utf8ToBytes(origin)));
  return join(home, 'checkpoints', `${bytesToHex(key).slice(0, 32)}.json`);
}

/** What is remembered in a file, null where there is none; throws `malformed`, `unsupported` or `file-unreadable`. */
export async function readCheckpoint(path: string): Promise<Checkpoint | null> {
  let text: string;
  try {
    text = await readSmallFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  try {
    return checkpointFromJson(nodeCrypto, text);
  } catch (cause) {
    if (!(cause instanceof SealwireError)) throw cause;
    throw new SealwireError(cause.code, `${path}: ${cause.message}`, { hint: 'Remove the file to forget it.', cause });
  }
}

/** Remembers a checkpoint in place of the one before, whole or not at all. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  await replaceFile(path, checkpointToJson(nodeCrypto, checkpoint));
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof SealwireError ? error.cause : error;
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}
