import { bytesToHex, equalBytes } from '../core/bytes.ts';
import { SealwireError } from '../core/errors.ts';
import type { Block } from '../core/ledger/block.ts';
import type { NodeRun } from '../core/ledger/proofs.ts';
import type { LedgerHead, LedgerStore, NewBlock, NewEntry, Position } from '../core/ledger/store.ts';

/** What several {@link memoryLedger}s over one place share: a ledger that is gone with its process. */
export interface LedgerMemory {
  head: LedgerHead | null;
  readonly blocks: (Block & { readonly treeSize: number })[];
  readonly entries: NewEntry[];
  readonly nodes: Map<string, Uint8Array>;
  readonly positions: Map<string, number>;
}

/** An empty place for a ledger. */
export function ledgerMemory(): LedgerMemory {
  return { head: null, blocks: [], entries: [], nodes: new Map(), positions: new Map() };
}

/** A {@link LedgerStore} in memory, for tests, browsers and dry runs. */
export function memoryLedger(memory: LedgerMemory = ledgerMemory()): LedgerStore {
  const { blocks, entries, positions } = memory;
  return {
    head: () => memory.head,
    blocks: (first, countMax) =>
      blocks.slice(first, first + countMax).map(({ protectedBytes, root, signature }) => ({
        protectedBytes,
        root,
        signature,
      })),
    entries: (first, countMax) => entries.slice(first, first + countMax).map(({ bytes, leaf }) => ({ bytes, leaf })),
    nodes: (run) => nodesOf(memory, run),
    indexAt: (position) => positions.get(keyOf(position)) ?? null,
    statements: (kind) => indices(entries, (entry) => entry.position === null && entry.kind === kind),
    confirmations: (position) => indices(entries, (entry) => confirms(entry, position)),
    heightOf(entryIndex) {
      const height = blocks.findIndex(({ treeSize }) => entryIndex < treeSize);
      return height === -1 ? null : height;
    },
    append(block) {
      checkFree(memory, block);
      keep(memory, block);
    },
    sign(height, signature) {
      const block = blocks[height];
      if (!block || block.signature) throw headMoved(`Block ${height} is not there or signed already`);
      blocks[height] = { ...block, signature };
    },
    async [Symbol.asyncDispose]() {},
  };
}

function nodesOf({ entries, nodes }: LedgerMemory, { level, first, count }: NodeRun): Uint8Array[] {
  if (level === 0) return entries.slice(first, first + count).map(({ leaf }) => leaf);
  const found: Uint8Array[] = [];
  for (let index = first; index < first + count; index++) {
    const hash = nodes.get(`${level} ${index}`);
    if (!hash) break;
    found.push(hash);
  }
  return found;
}

function confirms({ confirms: about }: NewEntry, { senderId, ratchetId, seq }: Position): boolean {
  return (
    about !== null &&
    equalBytes(about.senderId, senderId) &&
    equalBytes(about.ratchetId, ratchetId) &&
    about.ranges.some(([first, last]) => first <= seq && seq <= last)
  );
}

function checkFree({ head, positions }: LedgerMemory, { expected, entries }: NewBlock): void {
  if (!isSameHead(head, expected)) throw headMoved('Another notary has appended to this ledger');
  const taken = new Set<string>();
  for (const { position } of entries) {
    if (!position) continue;
    const key = keyOf(position);
    if (positions.has(key) || taken.has(key)) throw headMoved('A place in this ledger is taken already');
    taken.add(key);
  }
}

function keep(memory: LedgerMemory, { head, protectedBytes, entries, nodes }: NewBlock): void {
  for (const entry of entries) {
    if (entry.position) memory.positions.set(keyOf(entry.position), memory.entries.length);
    memory.entries.push(entry);
  }
  for (const { level, index, hash } of nodes) memory.nodes.set(`${level} ${index}`, hash);
  memory.blocks.push({ protectedBytes, root: head.root, signature: null, treeSize: head.treeSize });
  memory.head = head;
}

function isSameHead(a: LedgerHead | null, b: LedgerHead | null): boolean {
  if (!a || !b) return a === b;
  return a.height === b.height && a.treeSize === b.treeSize && equalBytes(a.root, b.root);
}

function keyOf({ senderId, ratchetId, seq }: Position): string {
  return `${bytesToHex(senderId)} ${bytesToHex(ratchetId)} ${seq}`;
}

function indices(entries: readonly NewEntry[], matches: (entry: NewEntry) => boolean): number[] {
  return entries.flatMap((entry, index) => (matches(entry) ? [index] : []));
}

function headMoved(what: string): SealwireError {
  return new SealwireError('head-moved', `${what}; nothing was kept.`, {
    hint: 'Only one notary writes a ledger; stop the other one and start this one again.',
  });
}
