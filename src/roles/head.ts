import { equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { SealwireError } from '../core/errors.ts';
import { KIND } from '../core/kinds.ts';
import {
  type Block,
  type BlockHeader,
  blockLink,
  blockToBeSigned,
  checkSignatureForm,
  decodeBlockHeader,
  encodeBlockHeader,
} from '../core/ledger/block.ts';
import { CompactRange, type TreeHasher } from '../core/ledger/merkle.ts';
import { KEPT_LEVEL_STEP, type NodePlan, planCompactRange } from '../core/ledger/proofs.ts';
import type { LedgerHead, LedgerReader, LedgerStore, NewEntry, NewNode } from '../core/ledger/store.ts';
import type { Signer, Verifier } from '../core/ports.ts';
import { decodeRoster } from '../core/roster/signed-roster.ts';
import { rosterClaim } from '../core/roster/succession.ts';

// A block is made in four steps: its entries and its unsigned header are kept in one transaction that moves the head
// (1); the notary signs that header (2); the signature is kept (3); submitters get their receipts (4). Only step 1
// decides what a height holds, and only a header that is kept is ever signed, so no two differing headers of one
// height are ever signed.
//
//   what goes wrong                  what is on disk     what happens then
//   crash before 1 is durable        nothing of it       no receipt was given; the submitters submit again
//   1 ends with an unknown outcome   all or nothing      fatal; opening again finds one of the other rows
//   another notary won at 1          the other's block   `head-moved`: signs nothing, stops
//   crash between 1 and 3            the unsigned block  opening again signs that very header; a signature made before
//                                                        the crash has left nowhere, and signed the same bytes
//   another notary opens meanwhile   signed by it        3 says `head-moved`: stops; both signed the same bytes
//   crash between 3 and 4            the signed block    submitters submit again and get receipts for what is logged

/** What a notary signs with, and for which ledger. */
export interface NotaryKeys {
  readonly crypto: Crypto;
  readonly hasher: TreeHasher;
  readonly signer: Signer;
  /** Of the signer's own key. */
  readonly verifier: Verifier;
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly origin: string;
}

/** The newest block, signed, and all that the next one needs. */
export interface Tail {
  readonly head: LedgerHead;
  readonly header: BlockHeader;
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly range: CompactRange;
}

/** Appends a block of at least one entry; steps 1 to 3 above. `timeS` is moved up to the last block's if behind it. */
export async function appendBlock(
  keys: NotaryKeys,
  store: LedgerStore,
  before: Tail | null,
  entries: readonly NewEntry[],
  timeS: number,
): Promise<Tail> {
  const range = before ? before.range.clone() : new CompactRange(keys.hasher);
  const nodes: NewNode[] = [];
  for (const { leaf } of entries) {
    range.append(leaf, (level, index, hash) => {
      if (level % KEPT_LEVEL_STEP === 0) nodes.push({ level, index, hash });
    });
  }
  const header: BlockHeader = {
    notaryId: keys.id,
    origin: keys.origin,
    timeS: Math.max(timeS, before?.header.timeS ?? 0),
    height: before ? before.head.height + 1 : 0,
    previous: before && blockLink(keys.crypto, { protectedBytes: before.protectedBytes, root: before.head.root }),
    firstIndex: before?.head.treeSize ?? 0,
    treeSize: range.size,
    roster: newestRoster(keys.crypto, entries) ?? before?.header.roster ?? null,
  };
  const head = { height: header.height, treeSize: range.size, root: range.root() };
  const protectedBytes = encodeBlockHeader(header);
  await store.append({ expected: before?.head ?? null, head, protectedBytes, entries, nodes });
  const signature = await signKept(keys, store, head, protectedBytes);
  return { head, header, protectedBytes, signature, range };
}

function newestRoster(crypto: Crypto, entries: readonly NewEntry[]): BlockHeader['roster'] {
  const newest = entries.findLast(({ kind }) => kind === KIND.signedRoster);
  return newest ? rosterClaim(decodeRoster(crypto, newest.bytes)) : null;
}

/** Steps 2 and 3, in normal running and after a crash. */
async function signKept(
  keys: NotaryKeys,
  store: LedgerStore,
  head: LedgerHead,
  protectedBytes: Uint8Array,
): Promise<Uint8Array> {
  const signature = checkSignatureForm(await keys.signer.sign(blockToBeSigned(protectedBytes, head.root)));
  await store.sign(head.height, signature);
  return signature;
}

/**
 * Finds the end of a ledger and signs its last block where a crash left it unsigned; null for an empty ledger. Throws
 * `ledger-broken` where entries, tree, block and head do not agree, `identity-mismatch` for another notary's ledger.
 */
export async function loadTail(keys: NotaryKeys, store: LedgerStore): Promise<Tail | null> {
  const head = await store.head();
  if (!head) {
    if ((await store.entries(0, 1)).length > 0) throw disagrees('there are entries but no head');
    return null;
  }
  const blocks = await store.blocks(head.height, 2);
  const [block] = blocks;
  if (!block || blocks.length > 1) throw disagrees(`its last block is not block ${head.height}`);
  const header = decodeBlockHeader(block.protectedBytes);
  checkHeader(keys, head, header, block);
  const range = await read(store, planCompactRange(keys.hasher, head.treeSize));
  if (!equalBytes(range.root(), head.root)) throw disagrees(`its tree has another root than block ${head.height}`);
  await checkEntries(keys, store, header);
  const { protectedBytes } = block;
  if (block.signature && !(await keys.verifier.verify(blockToBeSigned(protectedBytes, head.root), block.signature))) {
    throw disagrees(`the signature of block ${head.height} does not hold`);
  }
  const signature = block.signature ?? (await signKept(keys, store, head, protectedBytes));
  return { head, header, protectedBytes, signature, range };
}

function checkHeader(keys: NotaryKeys, head: LedgerHead, header: BlockHeader, block: Block): void {
  if (!equalBytes(header.notaryId, keys.id)) {
    throw new SealwireError('identity-mismatch', 'This ledger belongs to a notary with another key.', {
      hint: "Run the notary from that one's home, or begin a new ledger.",
    });
  }
  if (header.origin !== keys.origin) {
    throw new SealwireError('identity-mismatch', `This ledger is called ${header.origin}, not ${keys.origin}.`);
  }
  const { height, treeSize, root } = head;
  if (header.height !== height || header.treeSize !== treeSize || !equalBytes(block.root, root)) {
    throw disagrees(`block ${height} and the head differ`);
  }
}

/** The last block's entries from their bytes; what lies before them is for `ledger verify`. */
async function checkEntries(keys: NotaryKeys, store: LedgerReader, header: BlockHeader): Promise<void> {
  const count = header.treeSize - header.firstIndex;
  const entries = await store.entries(header.firstIndex, count + 1);
  if (entries.length !== count) {
    throw disagrees(`block ${header.height} has ${entries.length} of ${count} entries`);
  }
  entries.forEach(({ bytes, leaf }, i) => {
    if (equalBytes(keys.hasher.leaf(bytes), leaf)) return;
    throw disagrees(`the bytes of entry ${header.firstIndex + i} no longer hash to its leaf`);
  });
}

/** Carries out a plan on what the store keeps. */
export async function read<T>(store: LedgerReader, plan: NodePlan<T>): Promise<T> {
  const nodes: (readonly Uint8Array[])[] = [];
  for (const run of plan.needs) nodes.push(await store.nodes(run));
  return plan.finish(nodes);
}

function disagrees(what: string): SealwireError {
  return new SealwireError('ledger-broken', `The ledger does not agree with itself: ${what}.`, {
    hint: 'Restore it from a copy; `sealwire ledger verify` says what is damaged.',
  });
}
