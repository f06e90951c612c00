import { equalBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { formatId, identityId } from '../identity/id.ts';
import { EntryAudit, type NotaryKey, notaryOf, type SignatureCheck } from './audit.ts';
import {
  type Block,
  type BlockHeader,
  blockLink,
  blockToBeSigned,
  checkSignatureForm,
  decodeBlockHeader,
} from './block.ts';
import { BlockWalk } from './block-walk.ts';
import type { Checkpoint } from './checkpoint.ts';
import { CompactRange, type NodeListener, TreeHasher } from './merkle.ts';
import { onTrust } from './on-trust.ts';
import { KEPT_LEVEL_STEP, type NodeRun } from './proofs.ts';
import type { LedgerHead, StoredEntry } from './store.ts';
import { type Broken, type Findings, isBefore, type VerifyMode, type VerifyReport } from './verify-report.ts';

/** What a verification is given beside the ledger. */
export interface VerifyOptions {
  readonly mode: VerifyMode;
  /** The id, 32 bytes, of the notary that is meant; null to take the ledger's own word for it. */
  readonly pin: Uint8Array | null;
  /** What was remembered of this ledger; `incremental` starts from it, the other modes must come through it. */
  readonly checkpoint: Checkpoint | null;
}

/** Blocks, and the entries in them, are to be fed from here on. */
export interface VerifyStart {
  readonly height: number;
  readonly index: number;
}

/** The last block that holds. */
interface Holding {
  readonly header: BlockHeader;
  readonly link: Uint8Array;
  readonly root: Uint8Array;
}

const REWRITTEN = 'it is not the block that the checkpoint remembers: the ledger was rewritten';

const NO_FINDINGS: Findings = {
  gaps: { total: 0, first: [] },
  conflicts: { total: 0, first: [] },
  disputes: { total: 0, first: [] },
  receiptProblems: { total: 0, first: [] },
};

/**
 * Verifies a ledger that is fed to it block by block. Does no I/O: it says what to read ({@link LedgerWalk.start},
 * {@link BlockWalk.nextIndex}) and which signatures to verify, and is told of one that does not hold by
 * {@link LedgerWalk.refuse}. Once {@link LedgerWalk.broken} is set nothing more needs to be fed.
 *
 * Stored bytes are rehashed and stored hashes only compared, so that a hash column that was left alone hides nothing.
 */
export class LedgerWalk {
  readonly #crypto: Crypto;
  readonly #hasher: TreeHasher;
  readonly #options: VerifyOptions;
  readonly #audit: EntryAudit | null;
  /** Nodes of kept levels, by level, from the first that was completed on. */
  readonly #kept = new Map<number, { first: number; readonly hashes: Uint8Array[] }>();
  #range: CompactRange;
  #notary: NotaryKey | null = null;
  #holding: Holding | null = null;
  #broken: Broken | null = null;
  #unsigned: { readonly height: number; readonly before: CompactRange } | null = null;
  #blocks = 0;
  #entries = 0;
  #signatures = 0;

  /** Throws `usage` for an incremental verification without a checkpoint. */
  constructor(crypto: Crypto, options: VerifyOptions) {
    const { mode, checkpoint } = options;
    if (mode === 'incremental' && !checkpoint) {
      throw new SealwireError('usage', 'There is no checkpoint of this ledger to go on from.', {
        hint: 'Verify it in full once; that remembers one.',
      });
    }
    this.#crypto = crypto;
    this.#hasher = new TreeHasher(crypto);
    this.#options = options;
    const from = mode === 'incremental' ? checkpoint : null;
    this.#range = new CompactRange(this.#hasher, from?.treeSize, from?.range);
    this.#audit = mode === 'fast' ? null : new EntryAudit(crypto, this.#hasher, from);
    if (checkpoint) this.#checkSame(checkpoint);
    if (from) {
      const { publicKey, origin } = from;
      this.#notary = { id: identityId(crypto, publicKey), publicKey, origin };
    }
  }

  /** Where reading begins. */
  get start(): VerifyStart {
    const { mode, checkpoint } = this.#options;
    const from = mode === 'incremental' ? checkpoint : null;
    return { height: from ? from.height + 1 : 0, index: from?.treeSize ?? 0 };
  }

  /** The first thing found that does not hold. */
  get broken(): Broken | null {
    return this.#broken;
  }

  /** Before the first block of an incremental verification: an identity statement from before the checkpoint. */
  recall(statement: Uint8Array): void {
    this.#audit?.recall(statement);
  }

  /** Before the first block of an incremental verification: the block that the checkpoint is of, if it is there. */
  resume(block: Block | undefined, head: LedgerHead | null): void {
    const { checkpoint } = this.#options;
    if (!checkpoint || this.#broken) return;
    const { height, link } = checkpoint;
    if (!block) return void this.#checkLength(head?.treeSize ?? 0);
    if (!equalBytes(blockLink(this.#crypto, block), link)) {
      return void this.#break('checkpoint-mismatch', height, null, REWRITTEN);
    }
    this.#holding = { header: decodeBlockHeader(block.protectedBytes), link, root: block.root };
  }

  /** The next block; its entries follow. Null where its header already does not hold. */
  block(block: Block): BlockWalk | null {
    const height = this.start.height + this.#blocks;
    if (this.#broken) return null;
    if (this.#unsigned) return this.#break('ledger-broken', this.#unsigned.height, null, 'it is not signed');
    const header = this.#attempt(height, null, () => this.#header(block, height));
    if (!header) return null;
    if (!block.signature) this.#unsigned = { height, before: this.#range.clone() };
    return new BlockWalk(header, (entries) => {
      const checks = this.#takeEntries(header, entries);
      const isWhole = !this.#broken && this.#range.size === header.treeSize;
      return isWhole ? [...checks, ...this.#endBlock(header, block)] : checks;
    });
  }

  /** The verdict on a signature that was handed out: it does not hold. */
  refuse({ block, entry }: SignatureCheck): void {
    const whose = entry === null ? "the notary's signature" : 'its signature';
    this.#break('ledger-broken', block, entry, `${whose} does not hold`);
  }

  /** The nodes above the leaves that a store has to hold for the entries that were read. */
  keptNodes(): { readonly run: NodeRun; readonly hashes: readonly Uint8Array[] }[] {
    return [...this.#kept].map(([level, { first, hashes }]) => ({
      run: { level, first, count: hashes.length },
      hashes,
    }));
  }

  /** Tells that the store holds another node than {@link LedgerWalk.keptNodes} says. */
  refuseNode(level: number, index: number): void {
    const what = `the kept tree node ${index} of level ${level} is not what its entries hash to; proofs from it fail`;
    this.#break('ledger-broken', null, null, what);
  }

  /**
   * After the last block. `head`: as the store names it, before the first block was read. `hasMoreEntries`: whether
   * entries follow those of the last block, which belong to no block.
   */
  finish(head: LedgerHead | null, hasMoreEntries: boolean): VerifyReport {
    if (!this.#broken) this.#checkEnd(head, hasMoreEntries);
    const findings = this.#audit?.findings() ?? NO_FINDINGS;
    const holding = this.#holding;
    const isDisputed = findings.disputes.total > 0;
    return {
      mode: this.#options.mode,
      verdict: this.#broken ? 'broken' : isDisputed ? 'disputed' : 'valid',
      broken: this.#broken,
      origin: this.#notary?.origin ?? null,
      notaryId: this.#notary?.id ?? null,
      blocks: this.#blocks,
      entries: this.#entries,
      signatures: this.#signatures,
      firstEntry: this.start.index,
      head: holding && {
        height: holding.header.height,
        treeSize: holding.header.treeSize,
        root: holding.root,
        timeS: holding.header.timeS,
      },
      unsignedBlock: this.#unsigned?.height ?? null,
      findings,
      onTrust: onTrust({
        ...this.#options,
        notaryId: this.#notary?.id ?? null,
        firstEntry: this.start.index,
        unsignedBlock: this.#unsigned?.height ?? null,
        headsNotCompared: this.#audit?.headsNotCompared ?? 0,
        receiptsNotCompared: this.#audit?.receiptsNotCompared ?? 0,
      }),
      checkpoint: this.#broken || isDisputed ? null : this.#checkpoint(),
    };
  }

  #header(block: Block, height: number): BlockHeader {
    const header = decodeBlockHeader(block.protectedBytes);
    const before = this.#holding;
    if (header.height !== height) throw broken(`its header is that of block ${header.height}`);
    if (header.firstIndex !== this.#range.size) {
      throw broken(`it begins with entry ${header.firstIndex}, not with entry ${this.#range.size}`);
    }
    if (before && !(header.previous && equalBytes(header.previous, before.link))) {
      throw broken(`its link to block ${height - 1} does not hold: one of the two was changed`);
    }
    if (before && header.timeS < before.header.timeS) throw broken(`its time is before that of block ${height - 1}`);
    const notaryId = this.#notary?.id ?? this.#options.pin;
    if (notaryId && !equalBytes(header.notaryId, notaryId)) {
      throw broken(`it is of the notary ${formatId(header.notaryId)}, not of ${formatId(notaryId)}`);
    }
    if (this.#notary && header.origin !== this.#notary.origin) throw broken(`it is of the ledger ${header.origin}`);
    if (block.signature) checkSignatureForm(block.signature);
    return header;
  }

  #takeEntries(header: BlockHeader, entries: readonly StoredEntry[]): SignatureCheck[] {
    const checks: SignatureCheck[] = [];
    const { height, firstIndex } = header;
    if (entries.length === 0) this.#break('ledger-broken', height, this.#range.size, 'it is missing');
    for (const { bytes, leaf } of entries) {
      const entry = this.#range.size;
      const hash = this.#hasher.leaf(bytes);
      if (!equalBytes(hash, leaf)) {
        this.#break('ledger-broken', height, entry, 'stored bytes no longer hash to its leaf');
        return checks;
      }
      if (entry === 0) this.#begin(header, bytes);
      const audit = this.#audit;
      const notary = this.#notary;
      if (audit && notary) {
        const place = { block: height, entry, firstIndex };
        const signed = this.#attempt(height, entry, () => audit.take(bytes, hash, place, notary));
        if (signed) checks.push(...signed);
      }
      if (this.#broken) return checks;
      this.#range.append(hash, this.#keep);
      this.#entries += 1;
    }
    this.#signatures += checks.length;
    return checks;
  }

  /** The policy, which says who signs this ledger. */
  #begin(header: BlockHeader, bytes: Uint8Array): void {
    const notary = this.#attempt(0, 0, () => notaryOf(this.#crypto, bytes));
    if (!notary) return;
    this.#notary = notary;
    if (!equalBytes(notary.id, header.notaryId) || notary.origin !== header.origin) {
      this.#break('ledger-broken', 0, 0, 'it is the policy of another notary or ledger than its block');
    }
    const { checkpoint } = this.#options;
    if (checkpoint && !(equalBytes(checkpoint.publicKey, notary.publicKey) && checkpoint.origin === notary.origin)) {
      this.#break('checkpoint-mismatch', 0, 0, 'the checkpoint is of another notary or ledger');
    }
  }

  readonly #keep: NodeListener = (level, index, hash) => {
    if (level % KEPT_LEVEL_STEP !== 0) return;
    const kept = this.#kept.get(level);
    if (kept) kept.hashes.push(hash);
    else this.#kept.set(level, { first: index, hashes: [hash] });
  };

  #endBlock(header: BlockHeader, block: Block): SignatureCheck[] {
    const { height } = header;
    const root = this.#range.root();
    if (!equalBytes(root, block.root)) {
      this.#break('ledger-broken', height, null, 'its entries do not hash to the root that is kept with it');
      return [];
    }
    this.#blocks += 1;
    if (!this.#attempt(height, null, () => this.#audit?.endBlock(header, root) ?? true)) return [];
    const link = blockLink(this.#crypto, block);
    this.#checkPassing(header, root, link);
    if (!block.signature || !this.#notary) return [];
    this.#holding = { header, link, root };
    this.#signatures += 1;
    const toBeVerified = blockToBeSigned(block.protectedBytes, root);
    return [
      { publicKey: this.#notary.publicKey, toBeVerified, signature: block.signature, block: height, entry: null },
    ];
  }

  /** A ledger that is read from its start has to come through the checkpoint. */
  #checkPassing({ height, firstIndex, treeSize }: BlockHeader, root: Uint8Array, link: Uint8Array): void {
    const { checkpoint, mode } = this.#options;
    if (!checkpoint || mode === 'incremental') return;
    if (firstIndex >= checkpoint.treeSize || treeSize < checkpoint.treeSize) return;
    const isSame =
      treeSize === checkpoint.treeSize && equalBytes(root, checkpoint.root) && equalBytes(link, checkpoint.link);
    if (!isSame) this.#break('checkpoint-mismatch', height, null, REWRITTEN);
  }

  #checkSame({ publicKey }: Checkpoint): void {
    const { pin } = this.#options;
    if (!pin || equalBytes(identityId(this.#crypto, publicKey), pin)) return;
    this.#break('checkpoint-mismatch', null, null, 'the checkpoint is of another notary than the one that is pinned');
  }

  #checkEnd(head: LedgerHead | null, hasMoreEntries: boolean): void {
    const { size } = this.#range;
    const height = this.start.height + this.#blocks - 1;
    this.#checkLength(this.#unsigned?.before.size ?? size);
    if (this.#broken) return;
    if (!head && hasMoreEntries) return void this.#break('ledger-broken', null, null, 'it has entries but no head');
    if (!head) return void this.#break('ledger-broken', null, null, 'it is empty');
    if (head.treeSize > size || head.height > height) {
      const what = `it is missing: the blocks before it hold ${size} entries, the head says ${head.treeSize}`;
      return void this.#break('ledger-broken', height + 1, null, what);
    }
    if (head.treeSize !== size || head.height !== height || !equalBytes(head.root, this.#range.root())) {
      return void this.#break('ledger-broken', height, null, 'the head differs from it');
    }
    if (hasMoreEntries) this.#break('ledger-broken', null, size, 'it follows the last block and belongs to none');
  }

  #checkLength(size: number): void {
    const { checkpoint } = this.#options;
    if (!checkpoint || size >= checkpoint.treeSize) return;
    const what = `cut off: the ledger has ${size} entries, the checkpoint says ${checkpoint.treeSize}`;
    this.#break('checkpoint-mismatch', null, null, what);
  }

  #checkpoint(): Checkpoint | null {
    const holding = this.#holding;
    const notary = this.#notary;
    if (!holding || !notary) return null;
    const range = this.#unsigned?.before ?? this.#range;
    return {
      origin: notary.origin,
      publicKey: notary.publicKey,
      height: holding.header.height,
      link: holding.link,
      timeS: holding.header.timeS,
      treeSize: range.size,
      root: range.root(),
      range: [...range.nodes],
    };
  }

  #attempt<T>(block: number, entry: number | null, action: () => T): T | null {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof SealwireError)) throw error;
      const isOwn = error.code === 'ledger-broken';
      const what = isOwn ? error.message : `it cannot be read: ${error.message.replace(/\.$/, '')}`;
      return this.#break('ledger-broken', block, entry, what);
    }
  }

  /** Keeps the first in the ledger's order; verdicts on signatures come in after their entries were taken. */
  #break(code: Broken['code'], block: number | null, entry: number | null, what: string): null {
    const found: Broken = { code, block, entry, what };
    if (!this.#broken || isBefore(found, this.#broken)) this.#broken = found;
    return null;
  }
}

function broken(what: string): SealwireError {
  return new SealwireError('ledger-broken', what);
}
