import { type ChannelStore, HELD_BOUNDS, type HeldFrame, type StoredRatchet } from '../core/channel/store.ts';
import type { Clock } from '../core/ports.ts';
import { systemClock } from './clock.ts';
import { type FilePlan, SqliteFile } from './sqlite-file.ts';

/** Frames whose keys did not come for so long are given up. */
const HELD_MAX_MS = 24 * 60 * 60 * 1000;
/** How often that is looked for while there is no room. */
const FORGET_EVERY_MS = 60_000;

// What is held is counted where it is held, so that the counts are right whatever happened to the process before, and
// where two processes of one home hold frames.
const FIRST_VERSION = `
CREATE TABLE ratchet (
  no INTEGER PRIMARY KEY, writer BLOB NOT NULL, id BLOB NOT NULL, state BLOB NOT NULL, UNIQUE (writer, id)
) STRICT;
CREATE TABLE held (
  no INTEGER PRIMARY KEY, writer BLOB NOT NULL, ratchet BLOB NOT NULL, seq INTEGER NOT NULL, since INTEGER NOT NULL,
  topic TEXT NOT NULL, frame BLOB NOT NULL
) STRICT;
CREATE INDEX held_place ON held (writer, ratchet, seq);
CREATE TABLE held_of (writer BLOB PRIMARY KEY, frames INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE held_all (id INTEGER PRIMARY KEY CHECK (id = 1), frames INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
INSERT INTO held_all VALUES (1, 0, 0);
CREATE TRIGGER held_more AFTER INSERT ON held BEGIN
  INSERT INTO held_of VALUES (new.writer, 1, length(new.frame))
    ON CONFLICT (writer) DO UPDATE SET frames = frames + 1, bytes = bytes + length(new.frame);
  UPDATE held_all SET frames = frames + 1, bytes = bytes + length(new.frame);
END;
CREATE TRIGGER held_less AFTER DELETE ON held BEGIN
  UPDATE held_of SET frames = frames - 1, bytes = bytes - length(old.frame) WHERE writer = old.writer;
  DELETE FROM held_of WHERE writer = old.writer AND frames = 0;
  UPDATE held_all SET frames = frames - 1, bytes = bytes - length(old.frame);
END;
`;

const PLAN: FilePlan = {
  what: 'the channels of a home',
  migrations: [FIRST_VERSION],
  probe: 'SELECT state FROM ratchet JOIN held USING (writer) JOIN held_of USING (writer) JOIN held_all ON 1 LIMIT 1',
  // Rows hold keys: what is deleted is overwritten. Commits need not wait for the disk unless they say so: what a loss
  // of power takes back of a ratchet's steps is stepped again.
  pragmas: 'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;',
  foldAfterMs: 1000,
};

/**
 * A {@link ChannelStore} in a SQLite file of a home. It reads and writes where it stands: nothing waits in memory. A
 * ratchet that is new in it is on the disk when `put` returns, for its writer forgets those keys on the reader's word.
 * Keys that were used up are gone from the disk a second later.
 */
export class SqliteChannels implements ChannelStore, Disposable {
  readonly #file: SqliteFile;
  readonly #clock: Pick<Clock, 'now'>;
  #forgotAtMs = 0;

  /**
   * Opens or makes the file, and forgets frames that are held for over a day; throws `file-unreadable`,
   * `file-unwritable` or `unsupported`.
   */
  constructor(path: string, clock: Pick<Clock, 'now'> = systemClock) {
    this.#file = new SqliteFile(path, PLAN);
    this.#clock = clock;
    try {
      this.#forgetOld();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  ratchetsOf(writerId: Uint8Array): StoredRatchet[] {
    const rows = this.#file.all('SELECT id, state FROM ratchet WHERE writer = ? ORDER BY no', writerId);
    return rows.map(([id, state]) => ({ writerId, ratchetId: id as Uint8Array, state: state as Uint8Array }));
  }

  put(states: readonly StoredRatchet[]): void {
    const hasNew = states.some(({ writerId, ratchetId }) => !this.#isKnown(writerId, ratchetId));
    const work = (): void => {
      for (const { writerId, ratchetId, state } of states) {
        this.#file.run(
          `INSERT INTO ratchet (writer, id, state) VALUES (?, ?, ?)
            ON CONFLICT (writer, id) DO UPDATE SET state = excluded.state`,
          writerId,
          ratchetId,
          state,
        );
      }
    };
    this.#write(work, hasNew);
  }

  drop(writerId: Uint8Array, ratchetId: Uint8Array): void {
    this.#write(() => this.#file.run('DELETE FROM ratchet WHERE writer = ? AND id = ?', writerId, ratchetId));
  }

  forget(writerId: Uint8Array): void {
    this.#write(() => {
      this.#file.run('DELETE FROM ratchet WHERE writer = ?', writerId);
      this.#file.run('DELETE FROM held WHERE writer = ?', writerId);
    });
  }

  hold(writerId: Uint8Array, ratchetId: Uint8Array, seq: number, { topic, frame }: HeldFrame): boolean {
    // A flood that there is no room for is to cost no more than reading.
    if (!this.#makesRoom(writerId, frame.length)) return this.#isHeld(writerId, ratchetId, seq, frame);
    return this.#write(() => {
      if (this.#isHeld(writerId, ratchetId, seq, frame)) return true;
      if (!this.#hasRoom(writerId, frame.length)) return false;
      this.#file.run(
        'INSERT INTO held (writer, ratchet, seq, since, topic, frame) VALUES (?, ?, ?, ?, ?, ?)',
        ...[writerId, ratchetId, seq, this.#clock.now(), topic, frame],
      );
      return true;
    });
  }

  release(writerId: Uint8Array, ratchetId: Uint8Array): HeldFrame[] {
    const select = 'SELECT topic, frame FROM held WHERE writer = ? AND ratchet = ? ORDER BY seq, no';
    const read = (): HeldFrame[] =>
      this.#file
        .all(select, writerId, ratchetId)
        .map(([topic, frame]) => ({ topic: String(topic), frame: frame as Uint8Array }));
    if (read().length === 0) return [];
    return this.#write(() => {
      const frames = read();
      this.#file.run('DELETE FROM held WHERE writer = ? AND ratchet = ?', writerId, ratchetId);
      return frames;
    });
  }

  /** Closes the file; idempotent. */
  close(): void {
    this.#file[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #write<T>(action: () => T, isUrgent = false): T {
    this.#file.all(`PRAGMA synchronous = ${isUrgent ? 'FULL' : 'NORMAL'}`);
    return this.#file.transaction(action);
  }

  #isKnown(writerId: Uint8Array, ratchetId: Uint8Array): boolean {
    return this.#file.all('SELECT 1 FROM ratchet WHERE writer = ? AND id = ?', writerId, ratchetId).length > 0;
  }

  #makesRoom(writerId: Uint8Array, length: number): boolean {
    if (this.#hasRoom(writerId, length)) return true;
    if (Math.abs(this.#clock.now() - this.#forgotAtMs) < FORGET_EVERY_MS) return false;
    this.#forgetOld();
    return this.#hasRoom(writerId, length);
  }

  #isHeld(writerId: Uint8Array, ratchetId: Uint8Array, seq: number, frame: Uint8Array): boolean {
    const sql = 'SELECT 1 FROM held WHERE writer = ? AND ratchet = ? AND seq = ? AND frame = ?';
    return this.#file.all(sql, writerId, ratchetId, seq, frame).length > 0;
  }

  #hasRoom(writerId: Uint8Array, length: number): boolean {
    const { framesMax, bytesMax, writerFramesMax, writerBytesMax } = HELD_BOUNDS;
    const [all] = this.#file.all('SELECT frames, bytes FROM held_all');
    if (Number(all?.[0]) >= framesMax || Number(all?.[1]) + length > bytesMax) return false;
    const [own = [0, 0]] = this.#file.all('SELECT frames, bytes FROM held_of WHERE writer = ?', writerId);
    return Number(own[0]) < writerFramesMax && Number(own[1]) + length <= writerBytesMax;
  }

  #forgetOld(): void {
    const nowMs = this.#clock.now();
    this.#forgotAtMs = nowMs;
    // A clock that was set back would otherwise keep them for as long.
    this.#write(() => this.#file.run('DELETE FROM held WHERE abs(? - since) > ?', nowMs, HELD_MAX_MS));
  }
}
