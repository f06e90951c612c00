import { closeSync, openSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { SealwireError } from '../core/errors.ts';

/** "Seal" in ASCII: tells our files from other people's databases (SQLite, PRAGMA application_id). */
const APPLICATION_ID = 0x5365616c;
/** Raised with every change of {@link SCHEMA}. */
const SCHEMA_VERSION = 1;

// `ratchet` gives each (sender, ratchet) a small number, so that the index over positions stays narrow and what is
// appended lies together. `node` holds the tree's kept levels above the leaves.
const SCHEMA = `
CREATE TABLE head (
  id INTEGER PRIMARY KEY CHECK (id = 1), height INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL
) STRICT;
CREATE TABLE block (
  height INTEGER PRIMARY KEY, size INTEGER NOT NULL UNIQUE, header BLOB NOT NULL, root BLOB NOT NULL, signature BLOB
) STRICT;
CREATE TABLE entry (
  idx INTEGER PRIMARY KEY, kind INTEGER NOT NULL, ratchet INTEGER, seq INTEGER, leaf BLOB NOT NULL, bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX position ON entry (ratchet, seq) WHERE ratchet IS NOT NULL;
CREATE INDEX statement ON entry (kind) WHERE ratchet IS NULL;
CREATE TABLE node (
  level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE ratchet (no INTEGER PRIMARY KEY, sender BLOB NOT NULL, id BLOB NOT NULL, UNIQUE (sender, id)) STRICT;
CREATE TABLE confirmation (
  ratchet INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, idx INTEGER NOT NULL,
  PRIMARY KEY (ratchet, first, last, idx)
) STRICT, WITHOUT ROWID;
`;

/** Throws `file-unreadable` where something stands at `path` that is no file: opening a pipe would wait for good. */
export function checkPlainFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) {
    throw new SealwireError('file-unreadable', `${path} is not a plain file, so no database can be kept in it.`, {
      hint: 'Move it away, or name another file.',
    });
  }
}

/**
 * Makes an empty file that only its owner may read, where there is none; throws as {@link checkPlainFile}, and Node's
 * own file errors.
 */
export function createPrivateFile(path: string): void {
  checkPlainFile(path);
  closeSync(openSync(path, 'a', 0o600));
}

/**
 * Brings a ledger's database into use: durable commits, and the schema where the file is new. Throws `ledger-broken`
 * for a database of something else, `unsupported` for one that a newer version made.
 */
export function prepareSchema(db: DatabaseSync, path: string, readOnly: boolean): void {
  const [application, version] = [pragma(db, 'application_id'), pragma(db, 'user_version')];
  const isNew = application === 0 && version === 0 && tableCount(db) === 0;
  if (!isNew && application !== APPLICATION_ID) {
    throw new SealwireError('ledger-broken', `${path} is a database of something else, not a ledger.`);
  }
  if (isNew && readOnly) throw new SealwireError('ledger-broken', `${path} is empty: no ledger was begun in it.`);
  if (version > SCHEMA_VERSION) {
    throw new SealwireError(
      'unsupported',
      `${path} is a ledger of format ${version}; this version reads up to ${SCHEMA_VERSION}.`,
      { hint: 'Install a newer sealwire.' },
    );
  }
  if (readOnly) return;
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  if (!isNew) return;
  // Two processes may find the file new at once: the second one waits here and then finds it made.
  db.exec('BEGIN IMMEDIATE');
  if (tableCount(db) === 0) {
    db.exec(`${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
  }
  db.exec('COMMIT');
}

function pragma(db: DatabaseSync, name: string): number {
  return number(db, `PRAGMA ${name}`);
}

function tableCount(db: DatabaseSync): number {
  return number(db, 'SELECT count(*) FROM sqlite_schema');
}

function number(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0]);
}

interface SqliteError extends Error {
  readonly errcode: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
}

const CONSTRAINT_PRIMARYKEY = 1555;
const CONSTRAINT_UNIQUE = 2067;

/** True for a row refused because its key or place is taken (SQLite's extended result codes). */
export function isTaken(error: unknown): boolean {
  return isSqliteError(error) && (error.errcode === CONSTRAINT_UNIQUE || error.errcode === CONSTRAINT_PRIMARYKEY);
}

// SQLite's primary result codes, the low byte.
const BUSY = 5;
const FILE_PROBLEMS: Readonly<Record<number, string>> = {
  3: 'may not be opened by this user',
  8: 'may not be written by this user',
  10: 'could not be read or written',
  13: 'cannot grow, the disk is full',
  14: 'could not be opened',
};

/** What SQLite threw about the file at `path` as a {@link SealwireError}; such errors and Node's file errors stay. */
export function sqliteError(error: unknown, path: string): unknown {
  if (error instanceof SealwireError || !(error instanceof Error)) return error;
  if (!isSqliteError(error)) {
    const isFileError = 'path' in error;
    return isFileError ? error : broken(path, error);
  }
  const code = error.errcode & 0xff;
  if (code === BUSY) {
    return new SealwireError('overloaded', `${path} is held by another process.`, { cause: error });
  }
  const problem = FILE_PROBLEMS[code];
  return problem ? new SealwireError('file-unreadable', `${path} ${problem}.`, { cause: error }) : broken(path, error);
}

function broken(path: string, cause: Error): SealwireError {
  return new SealwireError('ledger-broken', `${path} is damaged or no ledger: ${cause.message}.`, {
    hint: 'Restore it from a copy; nothing in it can be relied on as it is.',
    cause,
  });
}
