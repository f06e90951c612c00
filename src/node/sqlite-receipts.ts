import type { DatabaseSync } from 'node:sqlite';
import { SealwireError } from '../core/errors.ts';
import type { LoggedLabel, ReceiptStore } from '../core/ledger/submission.ts';
import { type HomeSchema, inTransaction, openHomeDatabase } from './home-database.ts';

const SCHEMA: HomeSchema = {
  what: 'the receipts',
  versions: ['CREATE TABLE receipt (label BLOB PRIMARY KEY, entry INTEGER NOT NULL, receipt BLOB NOT NULL) STRICT;'],
  probe: 'SELECT label, entry, receipt FROM receipt LIMIT 1',
};

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
    this.#database = openHomeDatabase(path, SCHEMA);
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

  #commit(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    try {
      const insert = this.#database.prepare('INSERT OR REPLACE INTO receipt VALUES (?, ?, ?)');
      inTransaction(this.#database, () => {
        for (const { label, logged } of waiting) insert.run(label, logged.index, logged.receipt);
      });
    } catch (cause) {
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
