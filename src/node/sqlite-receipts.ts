import { SealwireError } from '../core/errors.ts';
import type { LoggedLabel, ReceiptStore } from '../core/ledger/submission.ts';
import { type FilePlan, SqliteFile } from './sqlite-file.ts';

const PLAN: FilePlan = {
  what: 'the receipts of a home',
  migrations: ['CREATE TABLE receipt (label BLOB PRIMARY KEY, entry INTEGER NOT NULL, receipt BLOB NOT NULL) STRICT;'],
  probe: 'SELECT label, entry, receipt FROM receipt LIMIT 1',
  pragmas: 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;',
};

interface Waiting {
  readonly label: Uint8Array;
  readonly logged: LoggedLabel;
  readonly done: PromiseWithResolvers<void>;
}

/** Receipts in a SQLite file. What arrives in one turn of the loop is made durable by one commit. */
export class SqliteReceipts implements ReceiptStore, Disposable {
  readonly #file: SqliteFile;
  #waiting: Waiting[] = [];
  #closed = false;

  /** Opens or makes the file, which other processes may write as well; throws `file-unreadable` or `unsupported`. */
  constructor(path: string) {
    this.#file = new SqliteFile(path, PLAN);
  }

  keep(label: Uint8Array, logged: LoggedLabel): Promise<void> {
    const done = Promise.withResolvers<void>();
    if (this.#waiting.length === 0) setImmediate(() => this.#commit());
    this.#waiting.push({ label, logged, done });
    return done.promise;
  }

  /** The receipt kept for `label`, or undefined. */
  find(label: Uint8Array): LoggedLabel | undefined {
    const [row] = this.#file.all('SELECT entry, receipt FROM receipt WHERE label = ?', label);
    return row && { index: Number(row[0]), receipt: row[1] as Uint8Array };
  }

  /** How many receipts are kept. */
  count(): number {
    return Number(this.#file.all('SELECT count(*) FROM receipt')[0]?.[0] ?? 0);
  }

  /** Makes what waits durable and closes the file. */
  close(): void {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    this.#file[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #commit(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    try {
      this.#file.transaction(() => {
        for (const { label, logged } of waiting) {
          this.#file.run('INSERT OR REPLACE INTO receipt VALUES (?, ?, ?)', label, logged.index, logged.receipt);
        }
      });
    } catch (cause) {
      const error = new SealwireError('file-unreadable', `Receipts cannot be kept in ${this.#file.path}.`, {
        hint: 'Check that the disk has room and that no other program holds the file.',
        cause,
      });
      for (const { done } of waiting) done.reject(error);
      return;
    }
    for (const { done } of waiting) done.resolve();
  }
}
