import { bytesToHex, hexToBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { formatId, parseId } from '../core/identity/id.ts';
import { type NotaryKey, notaryOf } from '../core/ledger/audit.ts';
import { blockToBeSigned, decodeBlockHeader } from '../core/ledger/block.ts';
import { isConsistent, TreeHasher } from '../core/ledger/merkle.ts';
import { planConsistency } from '../core/ledger/proofs.ts';
import type { LedgerReader } from '../core/ledger/store.ts';
import { checkpointFile, readCheckpoint } from '../node/checkpoints.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { read } from '../roles/head.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';

/** The newest block as users see it. */
export interface HeadView {
  readonly origin: string;
  /** `SHA256:…`, as the ledger itself says. */
  readonly notary: string;
  readonly height: number;
  readonly treeSize: number;
  /** Hex. */
  readonly root: string;
  /** ISO 8601, the notary's word. */
  readonly time: string;
  /** False for a block that its notary has not signed yet. */
  readonly signed: boolean;
}

/** Who keeps a ledger by its own word; throws `ledger-broken` where it does not begin as ledgers do. */
export async function notaryOfLedger(reader: LedgerReader, path: string): Promise<NotaryKey> {
  const [first] = await reader.entries(0, 1);
  if (!first) throw new SealwireError('ledger-broken', `The ledger ${path} is empty.`);
  try {
    return notaryOf(nodeCrypto, first.bytes);
  } catch (cause) {
    throw new SealwireError('ledger-broken', `The first entry of ${path} is not the policy of a notary.`, {
      hint: 'Restore the ledger from a copy.',
      cause,
    });
  }
}

/** Reads the newest block and checks its signature, nothing else. Throws `ledger-broken`. */
export async function showHead(reader: LedgerReader, path: string): Promise<HeadView> {
  const { publicKey } = await notaryOfLedger(reader, path);
  const head = await reader.head();
  const [block] = head ? await reader.blocks(head.height, 1) : [];
  if (!head || !block) throw new SealwireError('ledger-broken', `The ledger ${path} has no block at its head.`);
  const header = decodeBlockHeader(block.protectedBytes);
  const { signature, root } = block;
  if (signature && !nodeVerifier(publicKey).verify(blockToBeSigned(block.protectedBytes, root), signature)) {
    throw new SealwireError('ledger-broken', `The signature of block ${head.height} of ${path} does not hold.`, {
      hint: 'Run `sealwire ledger verify` to find what is damaged.',
    });
  }
  return {
    origin: header.origin,
    notary: formatId(header.notaryId),
    height: header.height,
    treeSize: header.treeSize,
    root: bytesToHex(root),
    time: isoTime(header.timeS),
    signed: signature !== null,
  };
}

/**
 * Whether a ledger still begins with what a home remembers of it, proven from its tree to the signed root. Null where
 * nothing is remembered; throws `checkpoint-mismatch` where it does not.
 */
export async function checkRemembered(
  reader: LedgerReader,
  { origin, notary, treeSize, root }: HeadView,
  home: string,
): Promise<number | null> {
  const checkpoint = await readCheckpoint(checkpointFile(home, origin, parseId(notary)));
  if (!checkpoint) return null;
  const first = checkpoint.treeSize;
  if (first > treeSize) {
    throw mismatch(`The ledger ${origin} is cut off: it has ${treeSize} entries, the checkpoint says ${first}.`);
  }
  const hasher = new TreeHasher(nodeCrypto);
  const proof = await read(reader, planConsistency(hasher, first, treeSize));
  if (!isConsistent(hasher, first, treeSize, checkpoint.root, hexToBytes(root), proof)) {
    throw mismatch(`The ledger ${origin} does not begin with the ${first} entries that were remembered of it.`);
  }
  return first;
}

function mismatch(sentence: string): SealwireError {
  return new SealwireError('checkpoint-mismatch', sentence, {
    hint: 'Run `sealwire ledger verify`, and ask its notary what became of those entries.',
  });
}

/** Prints a head; `remembered` as {@link checkRemembered} found it. */
export async function printHead({ console, json }: Context, view: HeadView, remembered: number | null): Promise<void> {
  if (json) return console.json({ ...view, remembered });
  await console.line(`ledger  ${console.paint('name', printable(view.origin))}`);
  await console.line(`notary  ${view.notary}`);
  await console.line(`size    ${view.treeSize} entries in ${view.height + 1} blocks`);
  await console.line(`root    ${view.root}`);
  await console.line(`time    ${view.time}${view.signed ? '' : ', not signed yet'}`);
  if (remembered !== null) await console.line(`begins  with the ${remembered} entries that this home remembers`);
}

/** Seconds since 1970 as ISO 8601; a number that is no time as it stands. */
export function isoTime(timeS: number): string {
  const date = new Date(timeS * 1000);
  return Number.isNaN(date.getTime()) ? `${timeS} s` : date.toISOString().replace('.000Z', 'Z');
}
