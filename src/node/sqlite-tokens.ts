import { DatabaseSync } from 'node:sqlite';
import { equalBytes } from '../core/bytes.ts';
import { decodeCbor, encodeCbor } from '../core/cbor.ts';
import type { IssuedToken, TokenHolder, TokenRecord, TokenStore } from '../core/enrolment/tokens.ts';
import { SealwireError } from '../core/errors.ts';
import { createPrivateFile } from './sqlite-ledger-file.ts';

/** How long to wait for another process of this home that is writing. */
const BUSY_TIMEOUT_MS = 5000;
const SCHEMA_VERSION = 1;
// The token itself is not here: what is kept verifies requests and answers them.
const SCHEMA = `
  CREATE TABLE token (
    id BLOB PRIMARY KEY,
    request_key BLOB NOT NULL,
    answer_key BLOB NOT NULL,
    pattern TEXT NOT NULL,
    channels BLOB NOT NULL,
    expires_at_s INTEGER NOT NULL,
    device BLOB,
    name TEXT,
    chain BLOB
  ) STRICT;
  CREATE INDEX expiry ON token (expires_at_s);
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

const TOKENS_MAX = 10_000;
/** Whoever comes too late is told so for this long; then the token is forgotten. */
const FORGET_AFTER_S: number = 7 * 86_400;

interface Row {
  readonly id: Uint8Array;
  readonly request_key: Uint8Array;
  readonly answer_key: Uint8Array;
  readonly pattern: string;
  readonly channels: Uint8Array;
  readonly expires_at_s: number;
  readonly device: Uint8Array | null;
  readonly name: string | null;
  readonly chain: Uint8Array | null;
}

/** Enrolment tokens in a SQLite file, which a desk and `sealwire token` may use at once. */
export class SqliteTokens implements TokenStore, Disposable {
  readonly #database: DatabaseSync;

  /** Opens or makes the file; throws `file-unreadable` or `unsupported`. */
  constructor(path: string) {
    try {
      createPrivateFile(path);
      this.#database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    } catch (cause) {
      throw unusable(path, cause);
    }
    try {
      this.#prepare(path);
    } catch (cause) {
      this.#database.close();
      throw unusable(path, cause);
    }
  }

  find(tokenId: Uint8Array): TokenRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM token WHERE id = ?').get(tokenId);
    return row ? toRecord(row as unknown as Row) : undefined;
  }

  add(token: IssuedToken): void {
    this.#transaction(() => {
      const nowS = Math.floor(Date.now() / 1000);
      this.#database.prepare('DELETE FROM token WHERE expires_at_s < ?').run(nowS - FORGET_AFTER_S);
      const row = this.#database.prepare('SELECT count(*) AS count FROM token').get();
      if (Number(row?.['count']) >= TOKENS_MAX) {
        throw new SealwireError('overloaded', `There are ${TOKENS_MAX} enrolment tokens already.`, {
          hint: 'Expired ones are forgotten after a week.',
        });
      }
      const { tokenId, requestKey, answerKey, pattern, channels, expiresAtS } = token;
      this.#database
        .prepare('INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL)')
        .run(tokenId, requestKey, answerKey, pattern, encodeCbor(channels), expiresAtS);
    });
  }

  claim(tokenId: Uint8Array, { deviceId, name }: TokenHolder): boolean {
    return this.#transaction(() => {
      const holder = this.find(tokenId)?.holder;
      if (holder) return holder.name === name && equalBytes(holder.deviceId, deviceId);
      const claim = this.#database.prepare('UPDATE token SET device = ?, name = ? WHERE id = ?');
      return Number(claim.run(deviceId, name, tokenId).changes) === 1;
    });
  }

  complete(tokenId: Uint8Array, chain: readonly Uint8Array[]): void {
    this.#database.prepare('UPDATE token SET chain = ? WHERE id = ?').run(encodeCbor(chain), tokenId);
  }

  /** How many could still be used at `nowS`, seconds since 1970. */
  countUsable(nowS: number): number {
    const sql = 'SELECT count(*) AS count FROM token WHERE device IS NULL AND expires_at_s > ?';
    return Number(this.#database.prepare(sql).get(nowS)?.['count']);
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #prepare(path: string): void {
    this.#transaction(() => {
      const version = this.#number('PRAGMA user_version');
      if (version > SCHEMA_VERSION) {
        throw new SealwireError('unsupported', `${path} was written by a newer version of sealwire.`, {
          hint: 'Use that version, or move the file away.',
        });
      }
      if (version === 0 && this.#number('SELECT count(*) FROM sqlite_schema') === 0) this.#database.exec(SCHEMA);
    });
    // Throws for a database of something else.
    this.#database.prepare('SELECT request_key, device, chain FROM token LIMIT 1');
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  }

  #number(sql: string): number {
    return Number(Object.values(this.#database.prepare(sql).get() ?? {})[0]);
  }

  /** Other processes of this home write as well: what is read is what is written upon. */
  #transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw cause;
    }
  }
}

function toRecord(row: Row): TokenRecord {
  const { device, name, chain } = row;
  return {
    tokenId: new Uint8Array(row.id),
    requestKey: new Uint8Array(row.request_key),
    answerKey: new Uint8Array(row.answer_key),
    pattern: row.pattern,
    channels: decodeCbor(new Uint8Array(row.channels)) as readonly string[],
    expiresAtS: row.expires_at_s,
    holder: device === null || name === null ? null : { deviceId: new Uint8Array(device), name },
    chain: chain === null ? null : (decodeCbor(new Uint8Array(chain)) as readonly Uint8Array[]),
  };
}

function unusable(path: string, cause: unknown): SealwireError {
  if (cause instanceof SealwireError) return cause;
  return new SealwireError('file-unreadable', `${path} is damaged, or does not hold enrolment tokens.`, {
    hint: 'Move it away; a new one is begun where there is none, and old tokens are worth nothing then.',
    cause,
  });
}
