import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { TestContext } from 'node:test';
import type { Checkpoint } from '../../src/core/ledger/checkpoint.ts';
import { describeBroken, type VerifyMode, type VerifyReport } from '../../src/core/ledger/verify-report.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { openLedgerReader, openLedgerStore } from '../../src/node/sqlite-ledger.ts';
import type { Notary } from '../../src/roles/notary.ts';
import { verifyLedger } from '../../src/roles/verify-ledger.ts';
import { type Member, member, testNotary, Writer } from './ledger.ts';

/** A ledger in a file, written by an honest notary. */
export interface LedgerFile {
  readonly path: string;
  readonly alice: Member;
  readonly bob: Member;
  /** Goes on from where it stopped. */
  readonly writer: Writer;
  /** What was logged, in order. */
  readonly labels: readonly Uint8Array[];
  /** Opens a notary over it that has admitted both. */
  withNotary<T>(use: (notary: Notary) => Promise<T>): Promise<T>;
  /** A copy that can be attacked while this one stays. */
  copy(): string;
}

/** Entries in each block of {@link ledgerFile}'s labels. */
export const BLOCK_ENTRIES = 5;

/**
 * Entries 0 and 1 are block 0, alice's and bob's identities blocks 1 and 2 (entries 2 and 3); then come alice's labels,
 * five a block: block 3 is entries 4 to 8. Each of her labels claims the head before it.
 */
export async function ledgerFile(t: TestContext, labelCount: number): Promise<LedgerFile> {
  const directory = mkdtempSync(join(tmpdir(), 'sealwire-ledger-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'ledger.db');
  const [alice, bob] = [await member('alice', 1), await member('bob', 2)];
  const writer = new Writer(alice);
  const labels: Uint8Array[] = [];
  let copies = 0;
  const withNotary: LedgerFile['withNotary'] = async (use) => {
    await using store = openLedgerStore(path);
    await using notary = await testNotary(store, [alice, bob], { blockEntriesMax: BLOCK_ENTRIES });
    return await use(notary);
  };
  await withNotary(async (notary) => {
    while (labels.length < labelCount) {
      writer.head = { treeSize: notary.head.treeSize, root: notary.head.root };
      const batch = await writer.labels(Math.min(BLOCK_ENTRIES, labelCount - labels.length));
      await notary.submitMany(batch);
      labels.push(...batch);
    }
  });
  return {
    path,
    alice,
    bob,
    writer,
    labels,
    withNotary,
    copy() {
      const to = join(directory, `copy-${copies++}.db`);
      copyFileSync(path, to);
      return to;
    },
  };
}

/** What whoever can write the file can do. */
export interface Attacker {
  run(sql: string, ...values: SQLInputValue[]): void;
  get(sql: string, ...values: SQLInputValue[]): Record<string, unknown>;
}

/** Edits a ledger's file behind everybody's back. */
export function attack(path: string, edit: (attacker: Attacker) => void): void {
  const db = new DatabaseSync(path);
  try {
    edit({
      run: (sql, ...values) => void db.prepare(sql).run(...values),
      get: (sql, ...values) => db.prepare(sql).get(...values) ?? {},
    });
  } finally {
    db.close();
  }
}

/** What to verify a file with. */
export interface VerifyMore {
  readonly pin?: Uint8Array;
  readonly checkpoint?: Checkpoint;
}

/** Verifies a ledger's file as `ledger verify` does. */
export async function verifyFile(path: string, mode: VerifyMode, more: VerifyMore = {}): Promise<VerifyReport> {
  await using reader = openLedgerReader(path);
  const { pin = null, checkpoint = null } = more;
  const report = await verifyLedger({ reader, crypto: nodeCrypto, verifierOf: nodeVerifier, mode, pin, checkpoint });
  if (!report) throw new Error('nobody cancelled it');
  return report;
}

/** `valid`, or the sentence that says what does not hold first. */
export async function verdict(path: string, mode: VerifyMode, more: VerifyMore = {}): Promise<string> {
  const { verdict: found, broken } = await verifyFile(path, mode, more);
  return broken ? `${broken.code}: ${describeBroken(broken)}` : found;
}

/** The checkpoint that verifying the file now leaves behind. */
export async function checkpointOf(path: string): Promise<Checkpoint> {
  const { checkpoint } = await verifyFile(path, 'full');
  if (!checkpoint) throw new Error('the ledger is not valid');
  return checkpoint;
}
