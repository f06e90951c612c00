import { DatabaseSync } from 'node:sqlite';
import { SealwireError } from '../core/errors.ts';
import type { LoggedLabel, ReceiptStore } from '../core/ledger/submission.ts';

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

  /** Opens or makes the file; throws `file-unreadable` or `unsupported`. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#database = new DatabaseSync(path);
      this.#prepare();
    } catch (cause) {
      if (cause instanceof SealwireError) throw cause;
      throw new SealwireError('file-unreadable', `The receipts in ${path} cannot be opened.`, { cause });
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
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    const version = Number(this.#database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version === 0) this.#database.exec(SCHEMA);
    else if (version > SCHEMA_VERSION) {
      throw new SealwireError('unsupported', `${this.#path} was written by a newer version of sealwire.`, {
        hint: 'Use that version, or move the file away.',
      });
    }
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
      const error = new SealwireError('file-unreadable', `Receipts cannot be kept in ${this.#path}.`, { cause });
      for (const { done } of waiting) done.reject(error);
      return;
    }
    for (const { done } of waiting) done.resolve();
  }
}
