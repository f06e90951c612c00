import assert from 'node:assert/strict';
import { equalBytes } from '../../src/core/bytes.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { KIND } from '../../src/core/kinds.ts';
import { decodeEntry, receiptInLabel } from '../../src/core/ledger/entry.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { openLedgerReader } from '../../src/node/sqlite-ledger.ts';
import { verifyLedger } from '../../src/roles/verify-ledger.ts';
import type { Stage } from './stage.ts';

const ENTRIES_MAX = 100_000;

/** What a ledger's file says about the labels of one sender. */
export class LedgerLabels {
  readonly all: readonly Label[];

  constructor(all: readonly Label[]) {
    this.all = all;
  }

  /** The labels of one sender, in the ledger's order. */
  by(senderId: Uint8Array): Label[] {
    return this.all.filter((label) => equalBytes(label.senderId, senderId));
  }

  /** True where a delivery receipt of the ledger covers `label`. */
  isConfirmed({ senderId, ratchetId, seq }: Label): boolean {
    return this.all.some((label) => {
      const receipt = receiptInLabel(label);
      if (!receipt || !equalBytes(receipt.senderId, senderId) || !equalBytes(receipt.ratchetId, ratchetId))
        return false;
      return receipt.ranges.some(([first, last]) => first <= seq && seq <= last);
    });
  }

  /** Seqs of a sender's labels that no delivery receipt covers; receipts themselves need none. */
  unconfirmed(senderId: Uint8Array): number[] {
    return this.by(senderId)
      .filter((label) => label.kind !== KIND.deliveryReceipt && !this.isConfirmed(label))
      .map(({ seq }) => seq);
  }
}

/**
 * Verifies a stage's ledger in full, as it is on disk now, and gives its labels; throws where it does not hold, or
 * lacks something that was sealed, or holds other than so many conflicts.
 */
export async function readLedger(stage: Stage, conflicts = 0): Promise<LedgerLabels> {
  await using reader = openLedgerReader(stage.ledgerFile);
  const report = await verifyLedger({
    reader,
    crypto: nodeCrypto,
    verifierOf: nodeVerifier,
    mode: 'full',
    pin: stage.member('notary').identity.id,
    checkpoint: null,
  });
  assert.equal(report?.broken ?? null, null);
  assert.equal(report?.verdict, 'valid');
  // Whatever was done on the wire, everything that was sealed is logged, once, and receipts are about what is logged.
  for (const [what, { total }] of Object.entries(report?.findings ?? {})) {
    assert.equal(total, what === 'conflicts' ? conflicts : 0, what);
  }
  const labels: Label[] = [];
  for (const { bytes } of await reader.entries(0, ENTRIES_MAX)) {
    const entry = decodeEntry(bytes);
    if (entry.type === 'label') labels.push(entry.label);
  }
  return new LedgerLabels(labels);
}
