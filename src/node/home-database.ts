import { DatabaseSync } from 'node:sqlite';
import { SealwireError } from '../core/errors.ts';
import { createPrivateFile } from './sqlite-ledger-file.ts';

/** How long to wait for another process of this home that is writing. */
const BUSY_TIMEOUT_MS = 5000;

/** What a SQLite file of a home holds. */
export interface HomeSchema {
  /** In a sentence, as in “not the receipts of a home”. */
  readonly what: string;
  /** Each brings a file one version further; the first one makes it. */
  readonly versions: readonly [string, ...string[]];
  /** A statement that can be prepared in such a file, and in a database of something else cannot. */
  readonly probe: string;
}

/**
 * Opens a SQLite file that only its owner may read, or makes it: in the schema's newest version, with commits that are
 * durable. Other processes may have it open as well. Throws `file-unreadable` for something else, `unsupported` for a
 * file that a newer version made.
 */
export function openHomeDatabase(path: string, schema: HomeSchema): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    createPrivateFile(path);
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    prepare(database, path, schema);
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof SealwireError) throw cause;
    throw new SealwireError('file-unreadable', `${path} is damaged, or not ${schema.what} of a home.`, {
      hint: 'Move it away; a new one is begun where there is none.',
      cause,
    });
  }
}

/** Runs `action` as one transaction, of which nothing stays where it throws. */
export function inTransaction<T>(database: DatabaseSync, action: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = action();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function prepare(database: DatabaseSync, path: string, { versions, probe }: HomeSchema): void {
  // Two processes may find the file new at once: the second one waits here and then finds it made.
  inTransaction(database, () => {
    const version = numberOf(database, 'PRAGMA user_version');
    if (version > versions.length) {
      throw new SealwireError('unsupported', `${path} was written by a newer version of sealwire.`, {
        hint: 'Use that version, or move the file away.',
      });
    }
    const isOthers = version === 0 && numberOf(database, 'SELECT count(*) FROM sqlite_schema') > 0;
    if (isOthers || version === versions.length) return;
    for (const step of versions.slice(version)) database.exec(step);
    database.exec(`PRAGMA user_version = ${versions.length}`);
  });
  // Before anything of a database that is somebody else's is changed.
  database.prepare(probe);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
}

function numberOf(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get() ?? {})[0]);
}
