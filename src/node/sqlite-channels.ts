import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type ChannelStore, HELD_BOUNDS, type HeldFrame, type StoredRatchet } from '../core/channel/store.ts';
import { SealwireError } from '../core/errors.ts';
import { type HomeSchema, inTransaction, openHomeDatabase } from './home-database.ts';

/** How long what a change replaced may lie in SQLite's log, which only ever grows between two checkpoints. */
const FOLD_AFTER_MS = 1000;

// With rows of their own instead of WITHOUT ROWID: states are large, and only so they stay whole in their pages. `load`
// counts what is held, so that no bound is checked by looking at every frame; its row of no writer counts all.
const SCHEMA: HomeSchema = {
  what: 'the channels',
  versions: [
    `
    CREATE TABLE ratchet (
      no INTEGER PRIMARY KEY, writer BLOB NOT NULL, id BLOB NOT NULL, state BLOB NOT NULL, UNIQUE (writer, id)
    ) STRICT;
    CREATE TABLE held (
      no INTEGER PRIMARY KEY, writer BLOB NOT NULL, ratchet BLOB NOT NULL, seq INTEGER NOT NULL,
      held_at INTEGER NOT NULL, topic TEXT NOT NULL, bytes INTEGER NOT NULL, frame BLOB NOT NULL,
      UNIQUE (writer, ratchet, seq)
    ) STRICT;
    CREATE INDEX held_since ON held (held_at);
    CREATE TABLE load (
      writer BLOB PRIMARY KEY, frames INTEGER NOT NULL, bytes INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER count_held AFTER INSERT ON held BEGIN
      INSERT INTO load VALUES (NEW.writer, 1, NEW.bytes), (x'', 1, NEW.bytes)
        ON CONFLICT DO UPDATE SET frames = frames + 1, bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER count_released AFTER DELETE ON held BEGIN
      UPDATE load SET frames = frames - 1, bytes = bytes - OLD.bytes WHERE writer IN (OLD.writer, x'');
      DELETE FROM load WHERE writer = OLD.writer AND frames = 0;
    END;
    `,
  ],
  probe: 'SELECT r.state, h.frame, l.bytes FROM ratchet AS r, held AS h, load AS l',
};

const ALL = new Uint8Array(0);

/**
 * A {@link ChannelStore} in a SQLite file. A ratchet that is new in it is on the disk when `put` returns, for its writer
 * forgets those keys on this reader's word; where the ratchets stand follows within a second. As long, and no longer,
 * keys that were used up lie in the file's log: what is deleted or replaced is overwritten.
 */
export class SqliteChannels implements ChannelStore, Disposable {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #statements: Readonly<Record<keyof typeof SQL, StatementSync>>;
  #foldTimer: NodeJS.Timeout | undefined;

  /** Opens or makes the file; throws `file-unreadable` or `unsupported`. */
  constructor(path: string) {
    this.#path = path;
    this.#database = openHomeDatabase(path, SCHEMA);
    this.#database.exec('PRAGMA secure_delete = ON');
    const prepared = Object.entries(SQL).map(([name, sql]) => [name, this.#database.prepare(sql)]);
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof SQL, StatementSync>;
  }

  ratchetsOf(writerId: Uint8Array): StoredRatchet[] {
    return this.#read(() => {
      const rows = this.#statements.ratchetsOf.all(writerId) as { id: Uint8Array; state: Uint8Array }[];
      return rows.map(({ id, state }) => ({ writerId, ratchetId: id, state }));
    });
  }

  put(states: readonly StoredRatchet[]): void {
    const { isKnown, put } = this.#statements;
    const hasNew = () => states.some(({ writerId, ratchetId }) => isKnown.get(writerId, ratchetId) === undefined);
    this.#write(() => {
      for (const { writerId, ratchetId, state } of states) put.run(writerId, ratchetId, state);
    }, hasNew);
  }

  drop(writerId: Uint8Array, ratchetId: Uint8Array): void {
    this.#write(() => this.#statements.drop.run(writerId, ratchetId));
  }

  hold(writerId: Uint8Array, ratchetId: Uint8Array, seq: number, { topic, frame, heldAtMs }: HeldFrame): boolean {
    return this.#write(() => {
      if (this.#statements.isHeld.get(writerId, ratchetId, seq)) return true;
      const own = { framesMax: HELD_BOUNDS.writerFramesMax, bytesMax: HELD_BOUNDS.writerBytesMax };
      if (!this.#hasRoom(ALL, frame.length, HELD_BOUNDS) || !this.#hasRoom(writerId, frame.length, own)) return false;
      this.#statements.hold.run(writerId, ratchetId, seq, heldAtMs, topic, frame.length, frame);
      return true;
    });
  }

  release(writerId: Uint8Array, ratchetId: Uint8Array): HeldFrame[] {
    return this.#write(() => {
      const rows = this.#statements.held.all(writerId, ratchetId) as unknown as HeldRow[];
      if (rows.length > 0) this.#statements.release.run(writerId, ratchetId);
      return rows.map(({ topic, frame, held_at }) => ({ topic, frame, heldAtMs: held_at }));
    });
  }

  forgetHeld(beforeMs: number): void {
    this.#write(() => this.#statements.forgetHeld.run(beforeMs));
  }

  /** Folds the log into the file and closes it. */
  close(): void {
    if (!this.#database.isOpen) return;
    clearTimeout(this.#foldTimer);
    this.#fold();
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #hasRoom(writer: Uint8Array, more: number, { framesMax, bytesMax }: { framesMax: number; bytesMax: number }) {
    const { frames, bytes } = (this.#statements.load.get(writer) ?? NO_LOAD) as typeof NO_LOAD;
    return frames < framesMax && bytes + more <= bytesMax;
  }

  #read<T>(action: () => T): T {
    try {
      return action();
    } catch (cause) {
      throw new SealwireError('file-unreadable', `What is known of channels cannot be read from ${this.#path}.`, {
        hint: 'Move the file away if it is damaged; writers are then asked for their keys anew.',
        cause,
      });
    }
  }

  #write<T>(action: () => T, isUrgent: () => boolean = () => false): T {
    try {
      this.#database.exec(`PRAGMA synchronous = ${isUrgent() ? 'FULL' : 'NORMAL'}`);
      const result = inTransaction(this.#database, action);
      this.#foldTimer ??= setTimeout(() => this.#fold(), FOLD_AFTER_MS).unref();
      return result;
    } catch (cause) {
      throw new SealwireError('file-unwritable', `What is known of channels cannot be kept in ${this.#path}.`, {
        hint: 'Check that the disk has room and that no other program holds the file.',
        cause,
      });
    }
  }

  #fold(): void {
    this.#foldTimer = undefined;
    try {
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // The disk is full or gone: whatever is written next says so.
    }
  }
}

interface HeldRow {
  readonly topic: string;
  readonly frame: Uint8Array;
  readonly held_at: number;
}

const NO_LOAD: { readonly frames: number; readonly bytes: number } = { frames: 0, bytes: 0 };

const SQL = {
  ratchetsOf: 'SELECT id, state FROM ratchet WHERE writer = ? ORDER BY no',
  isKnown: 'SELECT 1 FROM ratchet WHERE writer = ? AND id = ?',
  put: `INSERT INTO ratchet (writer, id, state) VALUES (?, ?, ?)
    ON CONFLICT (writer, id) DO UPDATE SET state = excluded.state`,
  drop: 'DELETE FROM ratchet WHERE writer = ? AND id = ?',
  isHeld: 'SELECT 1 FROM held WHERE writer = ? AND ratchet = ? AND seq = ?',
  load: 'SELECT frames, bytes FROM load WHERE writer = ?',
  hold: 'INSERT INTO held (writer, ratchet, seq, held_at, topic, bytes, frame) VALUES (?, ?, ?, ?, ?, ?, ?)',
  held: 'SELECT topic, frame, held_at FROM held WHERE writer = ? AND ratchet = ? ORDER BY seq',
  release: 'DELETE FROM held WHERE writer = ? AND ratchet = ?',
  forgetHeld: 'DELETE FROM held WHERE held_at < ?',
} as const;
