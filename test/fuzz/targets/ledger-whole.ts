import { type CborValue, decodeCbor, encodeCbor } from '../../../src/core/cbor.ts';
import { SealwireError } from '../../../src/core/errors.ts';
import {
  type Block,
  type BlockHeader,
  blockLink,
  blockToBeSigned,
  encodeBlockHeader,
} from '../../../src/core/ledger/block.ts';
import type { Checkpoint } from '../../../src/core/ledger/checkpoint.ts';
import { decodeEntry } from '../../../src/core/ledger/entry.ts';
import { CompactRange, TreeHasher } from '../../../src/core/ledger/merkle.ts';
import type { LedgerReader } from '../../../src/core/ledger/store.ts';
import type { VerifyReport } from '../../../src/core/ledger/verify-report.ts';
import { decodeRoster } from '../../../src/core/roster/signed-roster.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { verifyLedger } from '../../../src/roles/verify-ledger.ts';
import { NOW_MS } from '../../support/identities.ts';
import { joinParts, partsIn } from '../mutate/cbor.ts';
import { onlyGenuine, type Target } from '../target.ts';
import { type Kept, origin, type Scene, scene, signedAnew } from './ledger-scene.ts';

function readerOf({ head, blocks, entries }: Kept): LedgerReader {
  const indices = (wanted: number): number[] =>
    entries.flatMap(({ bytes }, index) => (kindOf(bytes) === wanted ? [index] : []));
  return {
    head: () => head,
    blocks: (first, countMax) => blocks.slice(first, first + countMax),
    entries: (first, countMax) => entries.slice(first, first + countMax),
    nodes: () => [],
    indexAt: () => null,
    statements: indices,
    confirmations: () => [],
    heightOf: () => null,
    async [Symbol.asyncDispose]() {},
  };
}

function kindOf(bytes: Uint8Array): number | undefined {
  try {
    const entry = decodeEntry(bytes);
    return entry.type === 'statement' ? entry.statement.content.kind : undefined;
  } catch {
    return undefined;
  }
}

async function verify(kept: Kept, pin: Uint8Array, checkpoint: Checkpoint | null): Promise<VerifyReport> {
  const options = { crypto: nodeCrypto, verifierOf: nodeVerifier, pin, checkpoint, mode: 'full' } as const;
  const report = await verifyLedger({ ...options, reader: readerOf(kept) });
  if (!report) throw new Error('nobody has cancelled it');
  if (report.broken) throw new SealwireError(report.broken.code, report.broken.what);
  if (report.verdict !== 'valid') throw new SealwireError('head-disputed', 'A label claims another head.');
  if (report.unsignedBlock !== null) throw new SealwireError('ledger-broken', 'The last block is not signed.');
  return report;
}

function encodeKept({ head, blocks, entries }: Kept): Uint8Array {
  return encodeCbor([
    head && [head.height, head.treeSize, head.root],
    blocks.map(({ protectedBytes, root, signature }): CborValue => [protectedBytes, root, signature]),
    entries.map(({ bytes, leaf }): CborValue => [bytes, leaf]),
  ]);
}

/** What stands in a store's columns, whose types the store itself holds; undefined where they could not stand there. */
function decodeKept(input: Uint8Array): Kept | undefined {
  try {
    const [head, blocks, entries] = decodeCbor(input) as [[number, number, Uint8Array] | null, Row[], Row[]];
    const kept = {
      head: head && { height: head[0], treeSize: head[1], root: head[2] },
      blocks: blocks.map(([protectedBytes, root, signature = null]) => ({ protectedBytes, root, signature })),
      entries: entries.map(([bytes, leaf]) => ({ bytes, leaf })),
    } as Kept;
    return hasTypes(kept) ? kept : undefined;
  } catch {
    return undefined;
  }
}

type Row = readonly Uint8Array[];

function hasTypes({ head, blocks, entries }: Kept): boolean {
  const isBytes = (value: unknown): boolean => value instanceof Uint8Array;
  return (
    (head === null ||
      (Number.isSafeInteger(head.height) && Number.isSafeInteger(head.treeSize) && isBytes(head.root))) &&
    blocks.every((block) => isBytes(block.protectedBytes) && isBytes(block.root)) &&
    blocks.every(({ signature }) => signature === null || isBytes(signature)) &&
    entries.every(({ bytes, leaf }) => isBytes(bytes) && isBytes(leaf))
  );
}

const BLOCK_ENTRIES = 4;

/** A ledger over any entries, whose notary signs every block and every word of its own again. */
function operated({ notary, alice, bob, root }: Scene, parts: readonly Uint8Array[]): Kept {
  const hasher = new TreeHasher(nodeCrypto);
  const range = new CompactRange(hasher);
  const bytes = parts.map((part) => signedAnew([notary, alice, bob, root], part));
  const entries = bytes.map((entry) => ({ bytes: entry, leaf: hasher.leaf(entry) }));
  const blocks: Block[] = [];
  let roster: BlockHeader['roster'] = null;
  let previous: Uint8Array | null = null;
  for (let first = 0; first < entries.length; first += BLOCK_ENTRIES) {
    for (const { bytes: entry, leaf } of entries.slice(first, first + BLOCK_ENTRIES)) {
      range.append(leaf);
      roster = rosterIn(entry) ?? roster;
    }
    const head = { height: blocks.length, previous, firstIndex: first, treeSize: range.size, roster };
    const protectedBytes = encodeBlockHeader({ notaryId: notary.id, origin, timeS: NOW_MS / 1000, ...head });
    const block = { protectedBytes, root: range.root() };
    blocks.push({ ...block, signature: notary.fast(blockToBeSigned(protectedBytes, block.root)) });
    previous = blockLink(nodeCrypto, block);
  }
  return { head: { height: blocks.length - 1, treeSize: range.size, root: range.root() }, blocks, entries };
}

function rosterIn(entry: Uint8Array): BlockHeader['roster'] | undefined {
  try {
    if (decodeEntry(entry).type !== 'roster') return undefined;
    const { version, hash } = decodeRoster(nodeCrypto, entry);
    return { version, hash: hash.subarray(0, 16) };
  } catch {
    return undefined;
  }
}

/** What a verification of the fixed ledger remembers. */
export async function genuineCheckpoint({ kept, notary }: Scene): Promise<Checkpoint> {
  const { checkpoint } = await verify(kept, notary.id, null);
  if (!checkpoint) throw new Error('a genuine ledger gives a checkpoint');
  return checkpoint;
}

/** Whole ledgers that somebody has edited, or whose operator is up to no good. */
export const WHOLE_LEDGERS: readonly Target[] = [
  {
    name: 'ledger-edited',
    mutator: 'cbor',
    weight: 1,
    async open() {
      const here = await scene();
      const checkpoint = await genuineCheckpoint(here);
      const seeds = [encodeKept(here.kept)];
      const check = onlyGenuine(seeds);
      return {
        seeds,
        async judge(input) {
          const kept = decodeKept(input);
          if (!kept) throw new SealwireError('file-unreadable', 'No store holds such columns.');
          await verify(kept, here.notary.id, checkpoint);
          // What the columns hold beyond what is read is nothing to anybody.
          check(encodeKept(kept));
        },
      };
    },
  },
  {
    name: 'ledger-of-operator',
    mutator: 'parts',
    weight: 1,
    async open() {
      const here = await scene();
      const all = here.kept.entries.map(({ bytes }) => bytes);
      return {
        // What labels claim of blocks of another length is disputed, as it should be.
        seeds: [joinParts(all.slice(0, 8)), joinParts(all)],
        async judge(input) {
          await verify(operated(here, partsIn(input) ?? []), here.notary.id, null);
        },
      };
    },
  },
];
