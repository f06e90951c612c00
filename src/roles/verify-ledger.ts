import { equalBytes } from '../core/bytes.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { KIND } from '../core/kinds.ts';
import type { SignatureCheck } from '../core/ledger/audit.ts';
import type { BlockWalk } from '../core/ledger/block-walk.ts';
import type { LedgerHead, LedgerReader } from '../core/ledger/store.ts';
import { LedgerWalk, type VerifyOptions } from '../core/ledger/verify.ts';
import type { VerifyReport } from '../core/ledger/verify-report.ts';
import type { Eventually, Verifier, VerifierFactory } from '../core/ports.ts';

const BLOCKS_AT_ONCE = 256;
const ENTRIES_AT_ONCE = 1024;

/** What {@link verifyLedger} takes. */
export interface VerifyLedgerOptions extends VerifyOptions {
  readonly reader: LedgerReader;
  readonly crypto: Crypto;
  readonly verifierOf: VerifierFactory;
  /** Told after each block how many of how many entries are done; waited for, so that others may get their turn. */
  readonly onProgress?: (done: number, all: number) => Eventually<void>;
  /** Asked before each block; true ends the verification early, with null. */
  readonly isCancelled?: () => boolean;
}

/**
 * Verifies a ledger, which a notary may go on writing meanwhile: it is judged as it was at the beginning. Null when
 * cancelled. Throws what the reader throws, and `usage` for an incremental verification without a checkpoint.
 */
export async function verifyLedger(options: VerifyLedgerOptions): Promise<VerifyReport | null> {
  const { reader, crypto } = options;
  const walk = new LedgerWalk(crypto, options);
  const head = await reader.head();
  if (options.mode === 'incremental') await goOn(walk, options, head);
  const isWhole = await walkBlocks(walk, options, head);
  if (!isWhole) return null;
  if (!walk.broken) await compareNodes(walk, reader);
  return walk.finish(head, !walk.broken && (await hasMoreEntries(reader, head)));
}

async function goOn(
  walk: LedgerWalk,
  { reader, checkpoint }: VerifyLedgerOptions,
  head: LedgerHead | null,
): Promise<void> {
  const [block] = checkpoint ? await reader.blocks(checkpoint.height, 1) : [];
  walk.resume(block, head);
  const before = (index: number): boolean => index < walk.start.index;
  const identities = (await reader.statements(KIND.identity)).filter(before);
  const rosters = (await reader.statements(KIND.signedRoster)).filter(before);
  for (const index of [...identities, ...rosters.slice(-1)]) {
    const [stored] = await reader.entries(index, 1);
    if (stored) walk.recall(stored.bytes);
  }
}

async function walkBlocks(walk: LedgerWalk, options: VerifyLedgerOptions, head: LedgerHead | null): Promise<boolean> {
  const { reader, onProgress, isCancelled } = options;
  const judge = judgeWith(walk, options.verifierOf);
  const end = (head?.height ?? -1) + 1;
  for (let height = walk.start.height; height < end && !walk.broken; ) {
    const blocks = await reader.blocks(height, Math.min(BLOCKS_AT_ONCE, end - height));
    if (blocks.length === 0) return true;
    height += blocks.length;
    for (const block of blocks) {
      if (isCancelled?.()) return false;
      const open = walk.block(block);
      if (!open || !(await walkEntries(walk, open, reader, judge))) break;
      await onProgress?.(open.nextIndex - walk.start.index, (head?.treeSize ?? 0) - walk.start.index);
    }
  }
  return true;
}

type Judge = (checks: readonly SignatureCheck[]) => Promise<void>;

async function walkEntries(walk: LedgerWalk, block: BlockWalk, reader: LedgerReader, judge: Judge): Promise<boolean> {
  while (block.left > 0 && !walk.broken) {
    const entries = await reader.entries(block.nextIndex, Math.min(ENTRIES_AT_ONCE, block.left));
    await judge(block.take(entries));
  }
  return !walk.broken;
}

/** Verifies signatures in order up to the first that does not hold. */
function judgeWith(walk: LedgerWalk, verifierOf: VerifierFactory): Judge {
  const verifiers = new Map<Uint8Array, Verifier>();
  return async (checks) => {
    for (const check of checks) {
      const verifier = verifiers.get(check.publicKey) ?? verifierOf(check.publicKey);
      verifiers.set(check.publicKey, verifier);
      const held = verifier.verify(check.toBeVerified, check.signature);
      if (typeof held === 'boolean' ? held : await held) continue;
      walk.refuse(check);
      return;
    }
  };
}

async function compareNodes(walk: LedgerWalk, reader: LedgerReader): Promise<void> {
  for (const { run, hashes } of walk.keptNodes()) {
    for (let at = 0; at < hashes.length; at += ENTRIES_AT_ONCE) {
      const count = Math.min(ENTRIES_AT_ONCE, hashes.length - at);
      const stored = await reader.nodes({ level: run.level, first: run.first + at, count });
      for (let i = 0; i < count; i++) {
        const [kept, hash] = [stored[i], hashes[at + i]];
        if (!kept || !hash || !equalBytes(kept, hash)) return walk.refuseNode(run.level, run.first + at + i);
      }
    }
  }
}

/** False where a notary has appended since the head was read: then more entries belong to its newer blocks. */
async function hasMoreEntries(reader: LedgerReader, head: LedgerHead | null): Promise<boolean> {
  const more = (await reader.entries(head?.treeSize ?? 0, 1)).length > 0;
  const now = await reader.head();
  return more && now?.treeSize === head?.treeSize;
}
