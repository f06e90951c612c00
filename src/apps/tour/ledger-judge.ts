import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import { openLedgerReader } from '../../node/sqlite-ledger.ts';
import { verifyLedger } from '../../roles/verifying.ts';
import { findingSentence } from '../ledger-finding.ts';

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
  const { finding, treeSize, blocks } = await verifyLedger(reader, {
    crypto: nodeCrypto,
    verifierOf: nodeVerifier,
    mode: 'full',
    notaryId,
    checkpoint: null,
    incremental: false,
  });
  if (finding) return { valid: false, sentence: `Refused the edited ledger. ${findingSentence(finding)}` };
  return { valid: true, sentence: `Valid: ${treeSize} entries in ${blocks} blocks.` };
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
