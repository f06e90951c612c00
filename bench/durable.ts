import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { findMosquitto } from '../src/node/mosquitto.ts';
import { compareTimed, median, type TimedRuns } from './measure.ts';
import { Stand } from './mqtt/stand.ts';
import { PAYLOAD_BYTES } from './mqtt/topics.ts';
import type { Bench, Row } from './row.ts';

const NAMES = ['durable-rate', 'durable-one-p50-ms'] as const;
const FLOOD = { rounds: 5, runs: 20_000 } as const;
/** Calls that the writer has open at once, and so about what a commit of ours holds. */
const GROUP = 200;
const TRICKLE = { lines: ['sealed'], messages: 200, pauseMs: 5, until: 'sent' } as const;
const COMMITS = 200;

/** A SQLite file as a home's: what is committed is on the disk. */
class BareFile implements Disposable {
  readonly #path: string;
  readonly #db: DatabaseSync;

  constructor(path: string) {
    this.#path = path;
    this.#db = new DatabaseSync(path);
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    this.#db.exec('CREATE TABLE message (no INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT');
  }

  /** So many rows in one transaction; gives the first one's number. */
  insert(payloads: readonly Uint8Array[]): number {
    const insert = this.#db.prepare('INSERT INTO message (payload) VALUES (?)');
    this.#db.exec('BEGIN IMMEDIATE');
    let last = 0;
    for (const payload of payloads) last = Number(insert.run(payload).lastInsertRowid);
    this.#db.exec('COMMIT');
    return last - payloads.length + 1;
  }

  remove(first: number, count: number): void {
    this.#db.exec('BEGIN IMMEDIATE');
    this.#db.prepare('DELETE FROM message WHERE no BETWEEN ? AND ?').run(first, first + count - 1);
    this.#db.exec('COMMIT');
  }

  [Symbol.dispose](): void {
    this.#db.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${this.#path}${suffix}`, { force: true });
  }
}

/** What the outbox and the inbox write of so many messages, and nothing else: each stored and removed on either side. */
function bareWrites(outbox: BareFile, inbox: BareFile): TimedRuns {
  return async (messages) => {
    const payloads = Array.from({ length: GROUP }, () => new Uint8Array(PAYLOAD_BYTES));
    const startNs = process.hrtime.bigint();
    for (let done = 0; done < messages; done += GROUP) {
      const [sent, received] = [outbox.insert(payloads), inbox.insert(payloads)];
      inbox.remove(received, GROUP);
      outbox.remove(sent, GROUP);
    }
    return Number(process.hrtime.bigint() - startNs) / 1e9 / messages;
  };
}

function bareCommitMs(file: BareFile): number {
  const payload = new Uint8Array(PAYLOAD_BYTES);
  const took = Array.from({ length: COMMITS }, () => {
    const start = performance.now();
    file.insert([payload]);
    return performance.now() - start;
  });
  return median(took);
}

/** Two homes at one Mosquitto, each a process with its outbox and inbox on the disk. */
export const durable: Bench = {
  names: NAMES,
  async run(): Promise<Row[]> {
    const mosquitto = findMosquitto();
    if (mosquitto === undefined) return [];
    await using stand = await Stand.start(mosquitto);
    using outbox = new BareFile(join(stand.stage.directory, 'bare-outbox.db'));
    using inbox = new BareFile(join(stand.stage.directory, 'bare-inbox.db'));
    await stand.open({ qos: 1, store: 'disk' });
    const ours: TimedRuns = async (messages) =>
      (await stand.flood({ line: 'sealed', messages, until: 'queued' })).secondsEach;
    const found = await compareTimed(ours, bareWrites(outbox, inbox), FLOOD);
    const { ways } = await stand.trickle(TRICKLE);
    const commitMs = bareCommitMs(outbox);
    await stand.close();
    const wayMs = median(ways.sealed);
    return [
      {
        name: 'durable-rate',
        value: found.oursPerSecond,
        unit: 'messages/s',
        ratio: found.ratio,
        against: `bare SQLite: each message inserted and deleted in two files, ${GROUP} a commit, ${Math.round(found.barePerSecond)}/s in one process`,
      },
      {
        name: 'durable-one-p50-ms',
        value: wayMs - 2 * commitMs,
        unit: 'ms',
        ratio: null,
        against: `from the call to the reader's hands ${wayMs.toFixed(2)} ms through Mosquitto, less two bare commits of ${commitMs.toFixed(2)} ms`,
      },
    ];
  },
};
