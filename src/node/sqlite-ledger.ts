import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { SealwireError } from '../core/errors.ts';
import { RECEIPT_FRAMES_MAX } from '../core/frame/receipt.ts';
import type { Block } from '../core/ledger/block.ts';
import type { NodeRun } from '../core/ledger/proofs.ts';
import type {
  LedgerHead,
  LedgerReader,
  LedgerStore,
  NewBlock,
  NewEntry,
  Position,
  StoredEntry,
} from '../core/ledger/store.ts';
import { checkPlainFile, createPrivateFile, isTaken, prepareSchema, sqliteError } from './sqlite-ledger-file.ts';

/** Ratchets whose numbers are kept at hand. */
const RATCHETS_AT_HAND = 4096;

/** Opens a ledger's file to read it; throws as {@link LedgerReader} says. Notaries may go on writing meanwhile. */
export function openLedgerReader(path: string): LedgerReader {
  if (!existsSync(path)) {
    throw new SealwireError('ledger-missing', `There is no ledger at ${path}.`, {
      hint: 'A notary makes one when it first runs: `sealwire notary`.',
    });
  }
  checkPlainFile(path);
  return open(path, true);
}

/** Opens a ledger's file to read and append, and makes it where there is none; throws as {@link LedgerReader} says. */
export function openLedgerStore(path: string): LedgerStore {
  createPrivateFile(path);
  return open(path, false);
}

function open(path: string, readOnly: boolean): SqliteLedger {
  try {
    const db = new DatabaseSync(path, { readOnly, timeout: 5000 });
    try {
      prepareSchema(db, path, readOnly);
      return new SqliteLedger(db, path);
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw sqliteError(error, path);
  }
}

type Row = readonly SQLOutputValue[];

class SqliteLedger implements LedgerStore {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  readonly #ratchets = new Map<string, number>();

  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
  }

  head(): LedgerHead | null {
    const [row] = this.#all('SELECT height, size, root FROM head');
    return row ? { height: Number(row[0]), treeSize: Number(row[1]), root: row[2] as Uint8Array } : null;
  }

  blocks(firstHeight: number, countMax: number): Block[] {
    const rows = this.#all(
      'SELECT height, header, root, signature FROM block WHERE height >= ? AND height < ? ORDER BY height',
      firstHeight,
      firstHeight + countMax,
    );
    const end = firstGap(rows, firstHeight);
    return rows.slice(0, end).map(([, protectedBytes, root, signature]) => ({
      protectedBytes: protectedBytes as Uint8Array,
      root: root as Uint8Array,
      signature: signature as Uint8Array | null,
    }));
  }

  entries(firstIndex: number, countMax: number): StoredEntry[] {
    const rows = this.#all(
      'SELECT idx, leaf, bytes FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx',
      firstIndex,
      firstIndex + countMax,
    );
    const end = firstGap(rows, firstIndex);
    const entries: StoredEntry[] = [];
    for (let i = 0; i < end; i++) {
      const row = rows[i];
      if (row) entries.push({ leaf: row[1] as Uint8Array, bytes: row[2] as Uint8Array });
    }
    return entries;
  }

  nodes({ level, first, count }: NodeRun): Uint8Array[] {
    const rows =
      level === 0
        ? this.#all('SELECT idx, leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx', first, first + count)
        : this.#all(
            'SELECT idx, hash FROM node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx',
            level,
            first,
            first + count,
          );
    return rows.slice(0, firstGap(rows, first)).map((row) => row[1] as Uint8Array);
  }

  indexAt({ senderId, ratchetId, seq }: Position): number | null {
    const ratchet = this.#ratchetNumber(senderId, ratchetId);
    if (ratchet === null) return null;
    const [row] = this.#all('SELECT idx FROM entry WHERE ratchet = ? AND seq = ?', ratchet, seq);
    return row ? Number(row[0]) : null;
  }

  statements(kind: number): number[] {
    const rows = this.#all('SELECT idx FROM entry WHERE ratchet IS NULL AND kind = ? ORDER BY idx', kind);
    return rows.map((row) => Number(row[0]));
  }

  confirmations({ senderId, ratchetId, seq }: Position): number[] {
    const ratchet = this.#ratchetNumber(senderId, ratchetId);
    if (ratchet === null) return [];
    const rows = this.#all(
      'SELECT idx FROM confirmation WHERE ratchet = ? AND first > ? AND first <= ? AND last >= ? ORDER BY idx',
      ratchet,
      seq - RECEIPT_FRAMES_MAX,
      seq,
      seq,
    );
    return rows.map((row) => Number(row[0]));
  }

  heightOf(entryIndex: number): number | null {
    const [row] = this.#all('SELECT height FROM block WHERE size > ? ORDER BY size LIMIT 1', entryIndex);
    return row ? Number(row[0]) : null;
  }

  append(block: NewBlock): void {
    this.#transaction(() => {
      this.#moveHead(block);
      const { height, treeSize, root } = block.head;
      const { protectedBytes } = block;
      this.#run(
        'INSERT INTO block (height, size, header, root) VALUES (?, ?, ?, ?)',
        height,
        treeSize,
        protectedBytes,
        root,
      );
      block.entries.forEach((entry, i) => {
        this.#insertEntry((block.expected?.treeSize ?? 0) + i, entry);
      });
      for (const { level, index, hash } of block.nodes) {
        this.#run('INSERT INTO node (level, idx, hash) VALUES (?, ?, ?)', level, index, hash);
      }
    });
  }

  sign(height: number, signature: Uint8Array): void {
    this.#transaction(() => {
      const signed = this.#run(
        'UPDATE block SET signature = ? WHERE height = ? AND signature IS NULL',
        signature,
        height,
      );
      if (signed !== 1) throw headMoved(`Block ${height} is not there or signed already`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #moveHead({ expected, head }: NewBlock): void {
    const { height, treeSize, root } = head;
    const moved = expected
      ? this.#run(
          'UPDATE head SET height = ?, size = ?, root = ? WHERE height = ? AND size = ? AND root = ?',
          height,
          treeSize,
          root,
          expected.height,
          expected.treeSize,
          expected.root,
        )
      : this.#run('INSERT INTO head (id, height, size, root) VALUES (1, ?, ?, ?)', height, treeSize, root);
    if (moved !== 1) throw headMoved('Another notary has appended to this ledger');
  }

  #insertEntry(index: number, { kind, position, confirms, leaf, bytes }: NewEntry): void {
    const ratchet = position && this.#ratchetNumberFor(position.senderId, position.ratchetId);
    this.#run(
      'INSERT INTO entry (idx, kind, ratchet, seq, leaf, bytes) VALUES (?, ?, ?, ?, ?, ?)',
      index,
      kind,
      ratchet,
      position?.seq ?? null,
      leaf,
      bytes,
    );
    if (!confirms) return;
    const confirmed = this.#ratchetNumberFor(confirms.senderId, confirms.ratchetId);
    for (const [first, last] of confirms.ranges) {
      const sql = 'INSERT INTO confirmation (ratchet, first, last, idx) VALUES (?, ?, ?, ?)';
      this.#run(sql, confirmed, first, last, index);
    }
  }

  /** Its number, given now where it has none yet. */
  #ratchetNumberFor(senderId: Uint8Array, ratchetId: Uint8Array): number {
    const known = this.#ratchetNumber(senderId, ratchetId);
    if (known !== null) return known;
    const [row] = this.#all('INSERT INTO ratchet (sender, id) VALUES (?, ?) RETURNING no', senderId, ratchetId);
    return Number(row?.[0]);
  }

  #ratchetNumber(senderId: Uint8Array, ratchetId: Uint8Array): number | null {
    const key = latin1(senderId) + latin1(ratchetId);
    const atHand = this.#ratchets.get(key);
    if (atHand !== undefined) return atHand;
    const [row] = this.#all('SELECT no FROM ratchet WHERE sender = ? AND id = ?', senderId, ratchetId);
    if (!row) return null;
    const number = Number(row[0]);
    if (this.#ratchets.size === RATCHETS_AT_HAND) this.#ratchets.clear();
    this.#ratchets.set(key, number);
    return number;
  }

  #transaction(action: () => void): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        action();
        this.#db.exec('COMMIT');
      } catch (error) {
        // Numbers given to ratchets in this transaction are gone with it.
        this.#ratchets.clear();
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    } catch (error) {
      if (isTaken(error)) throw headMoved('A place in this ledger is taken already', error);
      throw sqliteError(error, this.#path);
    }
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    try {
      return this.#prepared(sql).all(...values) as unknown as Row[];
    } catch (error) {
      // Inside a transaction the caller has to see what it was.
      throw this.#db.isTransaction ? error : sqliteError(error, this.#path);
    }
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    // Rows as arrays cost half of what objects do.
    statement.setReturnArrays(true);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** How many rows come before the first whose number is missing. */
function firstGap(rows: readonly Row[], first: number): number {
  // The last row tells it for all of them: numbers ascend and no two are equal.
  if (rows.at(-1)?.[0] === first + rows.length - 1) return rows.length;
  const gap = rows.findIndex((row, i) => row[0] !== first + i);
  return gap === -1 ? rows.length : gap;
}

function headMoved(what: string, cause?: unknown): SealwireError {
  return new SealwireError('head-moved', `${what}; nothing was kept.`, {
    hint: 'Only one notary writes a ledger; stop the other one and start this one again.',
    cause,
  });
}
