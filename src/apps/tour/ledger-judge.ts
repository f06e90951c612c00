import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SealwireError } from '../../core/errors.ts';
import { describeBroken } from '../../core/ledger/verify-report.ts';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import { openLedgerReader } from '../../node/sqlite-ledger.ts';
import { verifyLedger } from '../../roles/verify-ledger.ts';

/** Whether a ledger holds, in a sentence. */
export interface Verdict {
  readonly valid: boolean;
  readonly sentence: string;
}

/** A copy of a ledger that somebody laid hands on. */
export interface EditedCopy {
  readonly file: string;
  readonly entry: number;
}

/** Verifies a ledger file in full against the notary that is trusted. */
export async function judgeLedger(file: string, notaryId: Uint8Array): Promise<Verdict> {
  await using reader = openLedgerReader(file);
  const report = await verifyLedger({
    reader,
    crypto: nodeCrypto,
    verifierOf: nodeVerifier,
    mode: 'full',
    pin: notaryId,
    checkpoint: null,
  });
  if (!report) throw new SealwireError('internal', 'A verification ended early, though nobody asked for that.');
  if (report.broken) return { valid: false, sentence: `Refused the ledger: ${describeBroken(report.broken)}.` };
  const counts = `${report.entries} entries in ${report.blocks} blocks, ${report.signatures} signatures`;
  return { valid: report.verdict === 'valid', sentence: `The ledger is ${report.verdict}: ${counts}.` };
}

/** Copies a ledger and changes one byte in the middle of its last entry, as whoever has the file can. */
export async function editedCopy(ledgerFile: string): Promise<EditedCopy> {
  const file = join(dirname(ledgerFile), 'edited-copy.db');
  const original = new DatabaseSync(ledgerFile, { readOnly: true });
  try {
    original.prepare('VACUUM INTO ?').run(file);
  } finally {
    original.close();
  }
  const copy = new DatabaseSync(file);
  try {
    const row = copy.prepare('SELECT idx, bytes FROM entry ORDER BY idx DESC LIMIT 1').get();
    const { idx, bytes } = row as { idx: number; bytes: Uint8Array };
    const edited = bytes.slice();
    const middle = edited.length >> 1;
    edited[middle] = (edited[middle] ?? 0) ^ 1;
    copy.prepare('UPDATE entry SET bytes = ? WHERE idx = ?').run(edited, idx);
    return { file, entry: idx };
  } finally {
    copy.close();
  }
}
