import { bytesToHex } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import { formatId } from '../core/identity/id.ts';
import { type NotaryKey, notaryOf } from '../core/ledger/audit.ts';
import { blockToBeSigned, decodeBlockHeader } from '../core/ledger/block.ts';
import type { LedgerReader } from '../core/ledger/store.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
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

/** Prints a head. */
export async function printHead({ console, json }: Context, view: HeadView): Promise<void> {
  if (json) return console.json(view);
  await console.line(`ledger  ${console.paint('name', printable(view.origin))}`);
  await console.line(`notary  ${view.notary}`);
  await console.line(`size    ${view.treeSize} entries in ${view.height + 1} blocks`);
  await console.line(`root    ${view.root}`);
  await console.line(`time    ${view.time}${view.signed ? '' : ', not signed yet'}`);
}

/** Seconds since 1970 as ISO 8601; a number that is no time as it stands. */
export function isoTime(timeS: number): string {
  const date = new Date(timeS * 1000);
  return Number.isNaN(date.getTime()) ? `${timeS} s` : date.toISOString().replace('.000Z', 'Z');
}
