import { equalBytes } from '../core/bytes.ts';
import { decodeCbor, encodeCbor } from '../core/cbor.ts';
import type { IssuedToken, TokenHolder, TokenRecord, TokenStore } from '../core/enrolment/tokens.ts';
import { SealwireError } from '../core/errors.ts';
import { type FilePlan, type Row, SqliteFile } from './sqlite-file.ts';

const PLAN: FilePlan = {
  what: 'the enrolment tokens of a home',
  // The token itself is not here: what is kept verifies requests and answers them.
  migrations: [
    `CREATE TABLE token (
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
    CREATE INDEX expiry ON token (expires_at_s);`,
  ],
  probe: 'SELECT request_key, device, chain FROM token LIMIT 1',
  pragmas: 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;',
};

const TOKENS_MAX = 10_000;
/** Whoever comes too late is told so for this long; then the token is forgotten. */
const FORGET_AFTER_S: number = 7 * 86_400;

/** Enrolment tokens in a SQLite file, which a desk and `sealwire token` may use at once. */
export class SqliteTokens implements TokenStore, Disposable {
  readonly #file: SqliteFile;

  /** Opens or makes the file; throws `file-unreadable` or `unsupported`. */
  constructor(path: string) {
    this.#file = new SqliteFile(path, PLAN);
  }

  find(tokenId: Uint8Array): TokenRecord | undefined {
    const [row] = this.#file.all('SELECT * FROM token WHERE id = ?', tokenId);
    return row && toRecord(row);
  }

  add({ tokenId, requestKey, answerKey, pattern, channels, expiresAtS }: IssuedToken): void {
    this.#file.transaction(() => {
      const nowS = Math.floor(Date.now() / 1000);
      this.#file.run('DELETE FROM token WHERE expires_at_s < ?', nowS - FORGET_AFTER_S);
      if (this.#count('SELECT count(*) FROM token') >= TOKENS_MAX) {
        throw new SealwireError('overloaded', `There are ${TOKENS_MAX} enrolment tokens already.`, {
          hint: 'Expired ones are forgotten after a week.',
        });
      }
      const sql = 'INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL)';
      this.#file.run(sql, tokenId, requestKey, answerKey, pattern, encodeCbor(channels), expiresAtS);
    });
  }

  claim(tokenId: Uint8Array, { deviceId, name }: TokenHolder): boolean {
    return this.#file.transaction(() => {
      const holder = this.find(tokenId)?.holder;
      if (holder) return holder.name === name && equalBytes(holder.deviceId, deviceId);
      return this.#file.run('UPDATE token SET device = ?, name = ? WHERE id = ?', deviceId, name, tokenId) === 1;
    });
  }

  complete(tokenId: Uint8Array, chain: readonly Uint8Array[]): void {
    this.#file.transaction(() => this.#file.run('UPDATE token SET chain = ? WHERE id = ?', encodeCbor(chain), tokenId));
  }

  /** How many could still be used at `nowS`, seconds since 1970. */
  countUsable(nowS: number): number {
    return this.#count('SELECT count(*) FROM token WHERE device IS NULL AND expires_at_s > ?', nowS);
  }

  close(): void {
    this.#file[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #count(sql: string, ...values: number[]): number {
    return Number(this.#file.all(sql, ...values)[0]?.[0] ?? 0);
  }
}

function toRecord([id, requestKey, answerKey, pattern, channels, expiresAtS, device, name, chain]: Row): TokenRecord {
  return {
    tokenId: toBytes(id),
    requestKey: toBytes(requestKey),
    answerKey: toBytes(answerKey),
    pattern: String(pattern),
    channels: decodeCbor(toBytes(channels)) as readonly string[],
    expiresAtS: Number(expiresAtS),
    holder: device === null || name === null ? null : { deviceId: toBytes(device), name: String(name) },
    chain: chain === null ? null : (decodeCbor(toBytes(chain)) as readonly Uint8Array[]),
  };
}

function toBytes(value: Row[number] | undefined): Uint8Array {
  return new Uint8Array(value as Uint8Array);
}
