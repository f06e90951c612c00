import { DatabaseSync } from 'node:sqlite';
import { SealwireError } from '../core/errors.ts';
import type { LoggedLabel, ReceiptStore } from '../core/ledger/submission.ts';
import { createPrivateFile } from './sqlite-ledger-file.ts';

/** How long to wait for another process of this home that is writing. */
const BUSY_TIMEOUT_MS = 5000;
const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE receipt (
    label BLOB PRIMARY KEY,
    entry INTEGER NOT NULL,
    receipt BLOB NOT NULL
  ) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

interface Waiting {
  readonly label: Uint8Array;
  readonly logged: LoggedLabel;
  readonly done: PromiseWithResolvers<void>;
}

/** Receipts in a SQLite file. What arrives in one turn of the loop is made durable by one commit. */
export class SqliteReceipts implements ReceiptStore, Disposable {
  readonly #database: DatabaseSync;
  readonly #path: string;
  #waiting: Waiting[] = [];

  /** Opens or makes the file, which other processes may write as well; throws `file-unreadable` or `unsupported`. */
  constructor(path: string) {
    this.#path = path;
    try {
      createPrivateFile(path);
      this.#database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    } catch (cause) {
      throw unusable(path, cause);
    }
    try {
      this.#prepare();
    } catch (cause) {
      this.#database.close();
      throw unusable(path, cause);
    }
  }

  keep(label: Uint8Array, logged: LoggedLabel): Promise<void> {
    const done = Promise.withResolvers<void>();
    if (this.#waiting.length === 0) setImmediate(() => this.#commit());
    this.#waiting.push({ label, logged, done });
    return done.promise;
  }

  /** The receipt kept for `label`, or undefined. */
  find(label: Uint8Array): LoggedLabel | undefined {
    const row = this.#database.prepare('SELECT entry, receipt FROM receipt WHERE label = ?').get(label);
    if (!row) return undefined;
    const { entry, receipt } = row as { entry: number; receipt: Uint8Array };
    return { index: entry, receipt };
  }

  /** How many receipts are kept. */
  count(): number {
    const row = this.#database.prepare('SELECT count(*) AS count FROM receipt').get();
    return Number(row?.['count'] ?? 0);
  }

  /** Makes what waits durable and closes the file. */
  close(): void {
    if (!this.#database.isOpen) return;
    this.#commit();
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #prepare(): void {
    // Two processes may find the file new at once: the second one waits here and then finds it made.
    this.#database.exec('BEGIN IMMEDIATE');
    const version = this.#number('PRAGMA user_version');
    if (version > SCHEMA_VERSION) {
      throw new SealwireError('unsupported', `${this.#path} was written by a newer version of sealwire.`, {
        hint: 'Use that version, or move the file away.',
      });
    }
    if (version === 0 && this.#number('SELECT count(*) FROM sqlite_schema') === 0) this.#database.exec(SCHEMA);
    this.#database.exec('COMMIT');
    // Throws for a database of something else.
    this.#database.prepare('SELECT label, entry, receipt FROM receipt LIMIT 1');
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  }

  #number(sql: string): number {
    return Number(Object.values(this.#database.prepare(sql).get() ?? {})[0]);
  }

  #commit(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    try {
      const insert = this.#database.prepare('INSERT OR REPLACE INTO receipt VALUES (?, ?, ?)');
      this.#database.exec('BEGIN IMMEDIATE');
      for (const { label, logged } of waiting) insert.run(label, logged.index, logged.receipt);
      this.#database.exec('COMMIT');
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      const error = new SealwireError('file-unreadable', `Receipts cannot be kept in ${this.#path}.`, {
        hint: 'Check that the disk has room and that no other program holds the file.',
        cause,
      });
      for (const { done } of waiting) done.reject(error);
      return;
    }
    for (const { done } of waiting) done.resolve();
  }
}

function unusable(path: string, cause: unknown): SealwireError {
  if (cause instanceof SealwireError) return cause;
  return new SealwireError('file-unreadable', `${path} is damaged, or not the receipts of a home.`, {
    hint: 'Move it away; a new one is begun where there is none.',
    cause,
  });
}
