import { bytesToHex, equalBytes } from '../../src/core/bytes.ts';
import { decodeCbor } from '../../src/core/cbor.ts';
import { COSE, decodeSign1 } from '../../src/core/cose.ts';
import { nobleCrypto, nobleVerifier } from '../../src/core/crypto/noble.ts';
import { identityId } from '../../src/core/identity/id.ts';
import { kindName } from '../../src/core/kinds.ts';
import { blockLink, blockToBeSigned, decodeBlockHeader, encodeBlockHeader } from '../../src/core/ledger/block.ts';
import { checkpointToJson } from '../../src/core/ledger/checkpoint.ts';
import { decodeEntry } from '../../src/core/ledger/entry.ts';
import { CompactRange, TreeHasher } from '../../src/core/ledger/merkle.ts';
import { planConsistency, planInclusion } from '../../src/core/ledger/proofs.ts';
import { encodeReceipt, type InclusionProof } from '../../src/core/ledger/receipt.ts';
import type { LedgerReader } from '../../src/core/ledger/store.ts';
import { memoryLedger } from '../../src/roles/memory-ledger.ts';
import { openNotary } from '../../src/roles/notary.ts';
import { verifyLedger } from '../../src/roles/verify-ledger.ts';
import { fixedHolder } from '../../test/support/identities.ts';
import { type Member, StillClock, Writer } from '../../test/support/ledger.ts';

/** A tree of plain byte strings; all values hex. */
export interface TreeVector {
  readonly leaves: readonly string[];
  readonly leafHashes: readonly string[];
  /** The root of the first n leaves at place n. */
  readonly roots: readonly string[];
  readonly inclusion: readonly { readonly index: number; readonly size: number; readonly path: readonly string[] }[];
  readonly consistency: readonly {
    readonly first: number;
    readonly second: number;
    readonly path: readonly string[];
  }[];
}

/** An entry; `bytes` is what is hashed and kept. */
export interface EntryVector {
  readonly kind: string;
  readonly bytes: string;
  readonly leafHash: string;
  readonly toBeVerified: string;
  readonly signature: string;
  /** Uncompressed point of whoever signed it. */
  readonly publicKey: string;
}

/** A block; `header` is its protected header. */
export interface BlockVector {
  readonly height: number;
  readonly timeS: number;
  readonly previous: string | null;
  readonly firstIndex: number;
  readonly treeSize: number;
  readonly header: string;
  readonly root: string;
  readonly toBeSigned: string;
  readonly signature: string;
  readonly link: string;
}

/** A receipt, and the code that it is refused with, where it is: by its form, or by its signature. */
export interface ReceiptVector {
  readonly what: string;
  readonly entry: number;
  readonly receipt: string;
  readonly error: string | null;
}

/** `vectors/6-ledger.json`. */
export interface LedgerVectors {
  readonly about: string;
  readonly tree: TreeVector;
  readonly ledger: {
    readonly origin: string;
    readonly notary: { readonly privateKey: string; readonly publicKey: string; readonly id: string };
    readonly entries: readonly EntryVector[];
    readonly blocks: readonly BlockVector[];
    /** As the project's own `ledger verify` remembers it. */
    readonly checkpoint: unknown;
  };
  readonly receipts: readonly ReceiptVector[];
}

const hex = bytesToHex;
const EMPTY = new Uint8Array(0);
const hexes = (list: readonly Uint8Array[]): string[] => list.map((bytes) => hex(bytes));
const hasher = new TreeHasher(nobleCrypto);

async function fixedMember(name: string, number: number): Promise<Member> {
  const { signer, certificate } = await fixedHolder(name, number);
  return { id: identityId(nobleCrypto, signer.publicKey), signer, certificates: [certificate.der] };
}

function treeVector(): TreeVector {
  const leaves = Array.from({ length: 11 }, (_, i) => new Uint8Array(i).fill(i));
  const leafHashes = leaves.map((leaf) => hasher.leaf(leaf));
  const rangeOf = (size: number): CompactRange => {
    const range = new CompactRange(hasher);
    for (const leaf of leafHashes.slice(0, size)) range.append(leaf);
    return range;
  };
  const fromLeaves = <T>(plan: {
    needs: readonly { first: number; count: number }[];
    finish(n: Uint8Array[][]): T;
  }): T => plan.finish(plan.needs.map(({ first, count }) => leafHashes.slice(first, first + count)));
  const places = [
    [0, 1],
    [0, 2],
    [6, 7],
    [4, 8],
    [10, 11],
  ] as const;
  const steps = [
    [1, 1],
    [1, 2],
    [3, 7],
    [4, 7],
    [6, 8],
    [8, 11],
  ] as const;
  return {
    leaves: hexes(leaves),
    leafHashes: hexes(leafHashes),
    roots: Array.from({ length: leaves.length + 1 }, (_, size) => hex(rangeOf(size).root())),
    inclusion: places.map(([index, size]) => {
      return { index, size, path: hexes(fromLeaves(planInclusion(hasher, index, size))) };
    }),
    consistency: steps.map(([first, second]) => {
      return { first, second, path: hexes(fromLeaves(planConsistency(hasher, first, second))) };
    }),
  };
}

/** Two senders, a delivery receipt, a ratchet's end and a conflict, in six blocks. */
async function exampleLedger(): Promise<{
  reader: LedgerReader;
  notary: Member;
  members: Member[];
  receipts: ReceiptVector[];
}> {
  const notary = await fixedMember('notary', 200);
  const [alice, bob] = [await fixedMember('plant-sensor-7', 1), await fixedMember('operator', 2)];
  const store = memoryLedger();
  const clock = new StillClock();
  const { signer, certificates } = notary;
  const shared = { crypto: nobleCrypto, verifierOf: nobleVerifier, clock, signer, certificates };
  await using open = await openNotary({ ...shared, store, origin: 'plant.example/ledger' });
  await open.admit(alice.certificates);
  await open.admit(bob.certificates);
  const writer = new Writer(alice, 1, nobleCrypto);
  const reader = new Writer(bob, 2, nobleCrypto);
  clock.nowMs += 1000;
  const labels = await writer.labels(3);
  await open.submitMany(labels);
  writer.head = { treeSize: open.head.treeSize, root: open.head.root };
  clock.nowMs += 1000;
  const twice = await new Writer(alice, 1, nobleCrypto).label({ seq: 1, topic: 'plant/other' });
  await open.submitMany([await writer.label(), await reader.deliveryReceipt(labels), await writer.end(), twice]);
  const first = labels[0] ?? new Uint8Array(0);
  const receipts = receiptVectors(4, (await open.submit(first)).receipt);
  return { reader: store, notary, members: [notary, alice, bob], receipts };
}

/** The receipt as it is, and altered in everything that it says. */
function receiptVectors(entry: number, receipt: Uint8Array): ReceiptVector[] {
  const { protectedBytes, unprotected, signature } = decodeSign1(receipt);
  const proofs = unprotected.get(COSE.proofs);
  const [encoded] = proofs instanceof Map ? (proofs.get(-1) as Uint8Array[]) : [];
  const [treeSize, leafIndex, path] = decodeCbor(encoded ?? EMPTY) as [number, number, Uint8Array[]];
  const altered = (what: string, error: string | null, proof: Partial<InclusionProof>): ReceiptVector => {
    const bytes = encodeReceipt(protectedBytes, signature, { treeSize, leafIndex, path, ...proof });
    return { what, entry, receipt: hex(bytes), error };
  };
  const [lowest = EMPTY, ...upper] = path;
  const otherHeader = encodeBlockHeader({ ...decodeBlockHeader(protectedBytes), timeS: 1 });
  const otherTime = encodeReceipt(otherHeader, signature, { treeSize, leafIndex, path });
  return [
    { what: 'as the notary gives it', entry, receipt: hex(receipt), error: null },
    altered('another index', 'signature-invalid', { leafIndex: leafIndex ^ 1 }),
    altered('an index outside of the tree', 'malformed', { leafIndex: treeSize }),
    altered('another tree size than is signed', 'malformed', { treeSize: treeSize + 1 }),
    altered('a path without its first hash', 'malformed', { path: upper }),
    altered('a path with a hash too many', 'malformed', { path: [...path, lowest] }),
    altered('another hash in the path', 'signature-invalid', {
      path: [lowest.with(0, (lowest[0] ?? 0) ^ 1), ...upper],
    }),
    { what: 'another time', entry, receipt: hex(otherTime), error: 'signature-invalid' },
    { what: 'for another entry', entry: entry + 1, receipt: hex(receipt), error: 'signature-invalid' },
  ];
}

async function entryVectors(reader: LedgerReader, members: readonly Member[]): Promise<EntryVector[]> {
  const keyOf = (id: Uint8Array): string => {
    const found = members.find((member) => equalBytes(member.id, id));
    return hex(found?.signer.publicKey ?? EMPTY);
  };
  return (await reader.entries(0, 100)).map(({ bytes, leaf }) => {
    const entry = decodeEntry(bytes);
    if (entry.type === 'roster') throw new Error('these vectors hold no roster');
    const signed = entry.type === 'label' ? entry.label : entry.statement;
    const kind = entry.type === 'label' ? entry.label.kind : entry.statement.content.kind;
    return {
      kind: kindName(kind),
      bytes: hex(bytes),
      leafHash: hex(leaf),
      toBeVerified: hex(signed.toBeVerified),
      signature: hex(signed.signature),
      publicKey: keyOf(entry.type === 'label' ? entry.label.senderId : entry.statement.notaryId),
    };
  });
}

async function blockVectors(reader: LedgerReader): Promise<BlockVector[]> {
  return (await reader.blocks(0, 100)).map(({ protectedBytes, root, signature }) => {
    const { height, timeS, previous, firstIndex, treeSize } = decodeBlockHeader(protectedBytes);
    return {
      height,
      timeS,
      previous: previous && hex(previous),
      firstIndex,
      treeSize,
      header: hex(protectedBytes),
      root: hex(root),
      toBeSigned: hex(blockToBeSigned(protectedBytes, root)),
      signature: hex(signature ?? EMPTY),
      link: hex(blockLink(nobleCrypto, { protectedBytes, root })),
    };
  });
}

/** Everything fixed: keys are for vectors only, and noble signs deterministically (RFC 6979). */
export async function generate(): Promise<LedgerVectors> {
  const { reader, notary, members, receipts } = await exampleLedger();
  const options = { reader, crypto: nobleCrypto, verifierOf: nobleVerifier, pin: notary.id, checkpoint: null };
  const report = await verifyLedger({ ...options, mode: 'full' });
  if (!report?.checkpoint) throw new Error('the example ledger does not hold');
  return {
    about: 'Vectors of spec/6-ledger.md. Byte strings are hex, times are seconds since 1970-01-01 UTC.',
    tree: treeVector(),
    ledger: {
      origin: report.checkpoint.origin,
      notary: { privateKey: 'c8'.repeat(32), publicKey: hex(notary.signer.publicKey), id: hex(notary.id) },
      entries: await entryVectors(reader, members),
      blocks: await blockVectors(reader),
      checkpoint: JSON.parse(checkpointToJson(nobleCrypto, report.checkpoint)),
    },
    receipts,
  };
}
