import { equalBytes } from '../../src/core/bytes.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { seqsOf } from '../../src/core/frame/receipt.ts';
import { KIND } from '../../src/core/kinds.ts';
import { decodeEntry, receiptInLabel } from '../../src/core/ledger/entry.ts';
import { openLedgerReader } from '../../src/node/sqlite-ledger.ts';

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

  /** Seqs of a sender's labels that no delivery receipt covers; receipts themselves need none. */
  unconfirmed(senderId: Uint8Array): number[] {
    const confirmed = new Set<string>();
    for (const label of this.all) {
      const receipt = receiptInLabel(label);
      if (!receipt || !equalBytes(receipt.senderId, senderId)) continue;
      for (const seq of seqsOf(receipt.ranges)) confirmed.add(place(receipt.ratchetId, seq));
    }
    return this.by(senderId)
      .filter(({ kind, ratchetId, seq }) => kind !== KIND.deliveryReceipt && !confirmed.has(place(ratchetId, seq)))
      .map(({ seq }) => seq);
  }
}

/** Reads every label of a ledger, as it is on disk now. */
export async function readLabels(ledgerFile: string): Promise<LedgerLabels> {
  await using reader = openLedgerReader(ledgerFile);
  const labels: Label[] = [];
  for (const { bytes } of await reader.entries(0, ENTRIES_MAX)) {
    const entry = decodeEntry(bytes);
    if (entry.type === 'label') labels.push(entry.label);
  }
  return new LedgerLabels(labels);
}

function place(ratchetId: Uint8Array, seq: number): string {
  return `${Buffer.from(ratchetId).toString('hex')} ${seq}`;
}
