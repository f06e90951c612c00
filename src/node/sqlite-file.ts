import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { SealwireError } from '../core/errors.ts';
import { createPrivateFile } from './sqlite-ledger-file.ts';

/** How long to wait for another process of this home that is writing. */
const BUSY_TIMEOUT_MS = 5000;

/** What a home keeps in one SQLite file. */
export interface FilePlan {
  /** For people: `the receipts of a home`. */
  readonly what: string;
  /** The statements that lead from version 0, an empty file, to 1, from that to 2, and so on. Never change one. */
  readonly migrations: readonly string[];
  /** A query that fails in a database of something else. */
  readonly probe: string;
  /** Run at every opening. */
  readonly pragmas: string;
  /** What a change replaced lies in SQLite's log for so long after it; for as long as that grows unless told. */
  readonly foldAfterMs?: number;
  /** How long to wait for another process that is writing; 5 s unless told. */
  readonly busyTimeoutMs?: number;
}

/** One row, in the order of the query's columns. */
export type Row = readonly SQLOutputValue[];

/** A SQLite file of a home, which only its owner may read and which several processes may write in turns. */
export class SqliteFile implements Disposable {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #plan: FilePlan;
  readonly #statements = new Map<string, StatementSync>();
  #foldTimer: NodeJS.Timeout | undefined;

  /** Opens or makes the file; throws `file-unreadable` or `unsupported`. */
  constructor(path: string, plan: FilePlan) {
    this.path = path;
    this.#plan = plan;
    try {
      createPrivateFile(path);
      this.#db = new DatabaseSync(path, { timeout: plan.busyTimeoutMs ?? BUSY_TIMEOUT_MS });
    } catch (cause) {
      throw this.#unusable(cause);
    }
    try {
      this.#prepare();
    } catch (cause) {
      this.#db.close();
      throw this.#unusable(cause);
    }
  }

  /** The rows that a query gives; throws `file-unreadable`. */
  all(sql: string, ...values: SQLInputValue[]): Row[] {
    try {
      return this.#prepared(sql).all(...values) as unknown as Row[];
    } catch (cause) {
      throw this.#unusable(cause);
    }
  }

  /** Runs a statement and gives how many rows it changed; within {@link transaction}. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  /** All that `action` does to the file, or nothing of it; throws `file-unwritable`. */
  transaction<T>(action: () => T): T {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const result = action();
      this.#db.exec('COMMIT');
      this.#foldLater();
      return result;
    } catch (cause) {
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec('ROLLBACK');
      if (cause instanceof SealwireError) throw cause;
      throw new SealwireError('file-unwritable', `${this.path} cannot be written.`, {
        hint: 'Check that the disk has room and that no other program holds the file.',
        cause,
      });
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#foldTimer);
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #foldLater(): void {
    const { foldAfterMs } = this.#plan;
    if (foldAfterMs !== undefined) this.#foldTimer ??= setTimeout(() => this.#fold(), foldAfterMs).unref();
  }

  #fold(): void {
    this.#foldTimer = undefined;
    try {
      this.all('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // The disk is full or gone: whatever is written next says so.
    }
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    statement.setReturnArrays(true);
    this.#statements.set(sql, statement);
    return statement;
  }

  #prepare(): void {
    const { migrations, probe, pragmas } = this.#plan;
    // Two processes may find the file new at once: the second one waits here and then finds it made.
    this.#db.exec('BEGIN IMMEDIATE');
    const version = this.#number('PRAGMA user_version');
    if (version > migrations.length) {
      throw new SealwireError('unsupported', `${this.path} was written by a newer version of sealwire.`, {
        hint: 'Use that version, or move the file away.',
      });
    }
    // Tables that are there before the first version are somebody else's.
    if (version > 0 || this.#number('SELECT count(*) FROM sqlite_schema') === 0) {
      for (const statements of migrations.slice(version)) this.#db.exec(statements);
      this.#db.exec(`PRAGMA user_version = ${migrations.length}`);
    }
    this.#db.prepare(probe);
    this.#db.exec('COMMIT');
    this.#db.exec(pragmas);
  }

  #number(sql: string): number {
    return Number(Object.values(this.#db.prepare(sql).get() ?? {})[0]);
  }

  #unusable(cause: unknown): SealwireError {
    if (cause instanceof SealwireError) return cause;
    return new SealwireError('file-unreadable', `${this.path} is damaged, or not ${this.#plan.what}.`, {
      hint: 'Move it away; a new one is begun where there is none.',
      cause,
    });
  }
}
