import { formatId } from '../identity/id.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { VerifyMode } from './verify-report.ts';

/** What there is to say about what a verification did not check itself. */
export interface Unchecked {
  readonly mode: VerifyMode;
  readonly pin: Uint8Array | null;
  readonly checkpoint: Checkpoint | null;
  readonly notaryId: Uint8Array | null;
  readonly firstEntry: number;
  readonly unsignedBlock: number | null;
  /** Claimed heads, and delivery receipts, that are about what lies before the checkpoint. */
  readonly headsNotCompared: number;
  readonly receiptsNotCompared: number;
}

/** What was not checked, or is somebody's word, in sentences. */
export function onTrust(unchecked: Unchecked): string[] {
  const { mode, pin, checkpoint, notaryId, firstEntry, unsignedBlock } = unchecked;
  const { headsNotCompared, receiptsNotCompared } = unchecked;
  const said: string[] = [];
  if (!pin && !checkpoint && notaryId) {
    said.push(`That ${formatId(notaryId)} is the notary's key is the ledger's own word: no notary is pinned.`);
  }
  if (mode === 'incremental') {
    said.push(
      `Entries 0 to ${firstEntry - 1} were not read again: a change behind the checkpoint is not seen here. ` +
        'That the ledger still begins with them, as they were then, was proven.',
    );
  } else if (mode === 'fast') {
    said.push("Senders' signatures were not verified, and what their labels say was not read.");
  }
  if (mode !== 'fast') said.push("That a key belongs to the name in its certificate is the notary's word.");
  said.push("Block times are the notary's word.");
  if (unsignedBlock !== null) {
    said.push(`Block ${unsignedBlock} is not signed yet: its entries do not count before it is.`);
  }
  if (headsNotCompared > 0) said.push(`${headsNotCompared} claimed heads lie before the checkpoint: not compared.`);
  if (receiptsNotCompared > 0) {
    said.push(`${receiptsNotCompared} delivery receipts are about labels before the checkpoint: not compared.`);
  }
  return said;
}
