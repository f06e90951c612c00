import { decodeCbor, encodeCbor } from '../core/cbor.ts';
import type {
  DeliveryStore,
  InboxEntry,
  InboxStore,
  InboxStream,
  OutboxEntry,
  OutboxStore,
  OutboxStream,
  StreamId,
} from '../core/delivery.ts';
import { SealwireError } from '../core/errors.ts';
import type { OrderPlace } from '../core/frame/order.ts';
import { type FilePlan, type Row, SqliteFile } from './sqlite-file.ts';

const FIRST_VERSION = `
CREATE TABLE outbox_stream (
  no INTEGER PRIMARY KEY AUTOINCREMENT, recipient BLOB NOT NULL
) STRICT;
CREATE TABLE outbox (
  stream INTEGER NOT NULL, n INTEGER NOT NULL, topic TEXT, expires_at_s INTEGER, message BLOB NOT NULL,
  PRIMARY KEY (stream, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE inbox_stream (
  no INTEGER PRIMARY KEY, sender BLOB NOT NULL, stream BLOB NOT NULL, sender_name TEXT NOT NULL, place BLOB NOT NULL,
  UNIQUE (sender, stream)
) STRICT;
CREATE TABLE inbox (
  stream INTEGER NOT NULL, n INTEGER NOT NULL, topic TEXT, time_ms INTEGER NOT NULL, content_type ANY NOT NULL,
  payload BLOB NOT NULL, expires_at_s INTEGER,
  PRIMARY KEY (stream, n)
) STRICT, WITHOUT ROWID;
`;

const PLAN: FilePlan = {
  what: 'the outbox and inbox of a home',
  migrations: [FIRST_VERSION],
  probe: 'SELECT message, place, payload FROM outbox, inbox_stream, inbox LIMIT 1',
  // Held for as long as the file is open: a second process of this home would seal the same messages once more.
  pragmas:
    'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;',
  foldAfterMs: 1000,
};

/** Streams of one sender whose places are remembered beside those with messages in them. */
const STREAMS_OF_SENDER_MAX = 64;

/**
 * A {@link DeliveryStore} in a SQLite file of a home. One process has it open at a time: a lock that ends with the
 * process, however it ends.
 */
export class SqlitePeer implements DeliveryStore, Disposable {
  readonly outbox: OutboxStore;
  readonly inbox: InboxStore;
  readonly #file: SqliteFile;

  /** Opens or makes the file; throws `home-in-use`, `file-unreadable` or `unsupported`. */
  constructor(path: string) {
    this.#file = openAlone(path);
    this.outbox = new Outgoing(this.#file);
    this.inbox = new Incoming(this.#file);
  }

  transaction<T>(action: () => T): T {
    return this.#file.transaction(action);
  }

  /** Idempotent. */
  close(): void {
    this.#file[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function openAlone(path: string): SqliteFile {
  let file: SqliteFile | undefined;
  try {
    file = new SqliteFile(path, { ...PLAN, busyTimeoutMs: 0 });
    const opened = file;
    // Only a write takes the lock.
    file.transaction(() => opened.run('DELETE FROM outbox_stream WHERE no NOT IN (SELECT stream FROM outbox)'));
    return file;
  } catch (error) {
    file?.[Symbol.dispose]();
    throw isBusy(error) ? inUse(path, error) : error;
  }
}

/** SQLITE_BUSY, with whatever extension (sqlite.org/rescode.html). */
function isBusy(error: unknown): boolean {
  const { errcode } = (error instanceof SealwireError ? error.cause : error) as { errcode?: unknown };
  return typeof errcode === 'number' && (errcode & 0xff) === 5;
}

function inUse(path: string, cause: unknown): SealwireError {
  return new SealwireError('home-in-use', `Another process of this home is running: it holds ${path}.`, {
    hint: 'End it first, or give this one a home of its own.',
    cause,
  });
}

/** The half that is to be sent. */
class Outgoing implements OutboxStore {
  readonly #file: SqliteFile;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  streams(): OutboxStream[] {
    const rows = this.#file.all(
      `SELECT no, recipient, count(*), sum(length(message)) FROM outbox_stream JOIN outbox ON stream = no
        GROUP BY no ORDER BY no`,
    );
    return rows.map(([no, recipient, messages, bytes]) => ({
      streamNo: Number(no),
      recipientId: toBytes(recipient),
      messages: Number(messages),
      bytes: Number(bytes),
    }));
  }

  begin(recipientId: Uint8Array): number {
    this.#file.run('INSERT INTO outbox_stream (recipient) VALUES (?)', recipientId);
    return Number(this.#file.all('SELECT last_insert_rowid()')[0]?.[0]);
  }

  add({ streamNo, n, topic, expiresAtS, encoded }: OutboxEntry): void {
    this.#file.run('INSERT INTO outbox VALUES (?, ?, ?, ?, ?)', streamNo, n, topic, expiresAtS, encoded);
  }

  replace({ streamNo, n, topic, expiresAtS, encoded }: OutboxEntry): void {
    const sql = 'UPDATE outbox SET topic = ?, expires_at_s = ?, message = ? WHERE stream = ? AND n = ?';
    this.#file.run(sql, topic, expiresAtS, encoded, streamNo, n);
  }

  remove(streamNo: number, first: number, last: number): void {
    this.#file.run('DELETE FROM outbox WHERE stream = ? AND n BETWEEN ? AND ?', streamNo, first, last);
  }

  page(streamNo: number, fromN: number, max: number): OutboxEntry[] {
    const sql = 'SELECT n, topic, expires_at_s, message FROM outbox WHERE stream = ? AND n >= ? ORDER BY n LIMIT ?';
    return this.#file.all(sql, streamNo, fromN, max).map(([n, topic, expiresAtS, message]) => ({
      streamNo,
      n: Number(n),
      topic: toText(topic),
      expiresAtS: toNumber(expiresAtS),
      encoded: toBytes(message),
    }));
  }
}

/** The half that came. */
class Incoming implements InboxStore {
  readonly #file: SqliteFile;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  find({ senderId, stream }: StreamId): InboxStream | undefined {
    const sql = 'SELECT no, sender, stream, sender_name, place FROM inbox_stream WHERE sender = ? AND stream = ?';
    return this.#file.all(sql, senderId, stream).map((row) => this.#toStream(row))[0];
  }

  waiting(): InboxStream[] {
    const sql = `SELECT no, sender, stream, sender_name, place FROM inbox_stream
      WHERE no IN (SELECT stream FROM inbox) ORDER BY no`;
    return this.#file.all(sql).map((row) => this.#toStream(row));
  }

  begin({ senderId, stream }: StreamId, senderName: string): number {
    this.#file.run(
      `DELETE FROM inbox_stream WHERE no IN (
        SELECT no FROM inbox_stream WHERE sender = ? AND no NOT IN (SELECT stream FROM inbox)
          ORDER BY no DESC LIMIT -1 OFFSET ?)`,
      senderId,
      STREAMS_OF_SENDER_MAX - 1,
    );
    const sql = 'INSERT INTO inbox_stream (sender, stream, sender_name, place) VALUES (?, ?, ?, ?)';
    this.#file.run(sql, senderId, stream, senderName, encodePlace({ next: 0, gaps: [] }));
    return Number(this.#file.all('SELECT last_insert_rowid()')[0]?.[0]);
  }

  setPlace(streamNo: number, place: OrderPlace): void {
    const sql = 'UPDATE inbox_stream SET place = ? WHERE no = ?';
    if (this.#file.run(sql, encodePlace(place), streamNo) === 1) return;
    // Its sender has begun many others since: it is begun anew when its messages come again.
    throw new SealwireError('file-unwritable', 'A stream of messages was forgotten, as its sender has begun others.');
  }

  add(streamNo: number, { n, topic, timeMs, contentType, payload, expiresAtS }: InboxEntry): void {
    this.#file.run(
      `INSERT INTO inbox (stream, n, topic, time_ms, content_type, payload, expires_at_s) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      ...[streamNo, n, topic, timeMs, contentType, payload, expiresAtS],
    );
  }

  remove(streamNo: number, first: number, last: number): void {
    this.#file.run('DELETE FROM inbox WHERE stream = ? AND n BETWEEN ? AND ?', streamNo, first, last);
  }

  #toStream([no, sender, stream, senderName, place]: Row): InboxStream {
    return {
      streamNo: Number(no),
      senderId: toBytes(sender),
      stream: toBytes(stream),
      senderName: String(senderName),
      place: decodePlace(toBytes(place)),
      entries: this.#entriesOf(Number(no)),
    };
  }

  #entriesOf(streamNo: number): InboxEntry[] {
    const sql = 'SELECT n, topic, time_ms, content_type, payload, expires_at_s FROM inbox WHERE stream = ? ORDER BY n';
    return this.#file.all(sql, streamNo).map(([n, topic, timeMs, contentType, payload, expiresAtS]) => ({
      n: Number(n),
      topic: toText(topic),
      timeMs: Number(timeMs),
      contentType: typeof contentType === 'string' ? contentType : Number(contentType),
      payload: toBytes(payload),
      expiresAtS: toNumber(expiresAtS),
    }));
  }
}

function encodePlace({ next, gaps }: OrderPlace): Uint8Array {
  return encodeCbor([next, gaps.map(({ first, last }) => [first, last])]);
}

function decodePlace(bytes: Uint8Array): OrderPlace {
  const [next, gaps] = decodeCbor(bytes) as [number, [number, number][]];
  return { next, gaps: gaps.map(([first, last]) => ({ first, last })) };
}

function toBytes(value: Row[number] | undefined): Uint8Array {
  return new Uint8Array(value as Uint8Array);
}

function toText(value: Row[number] | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

function toNumber(value: Row[number] | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
