import { SealwireError } from '../errors.ts';
import { CompactRange, foldRight, isIndex, type TreeHasher } from './merkle.ts';

/**
 * The levels whose nodes a store keeps: the leaves and every eighth above. A proof for any entry is made of at most 255
 * stored nodes of each kept level, whatever the size of the ledger.
 */
export const KEPT_LEVEL_STEP = 8;

/** A run of stored nodes: full subtrees of 2^level leaves with consecutive indices. `level` is a multiple of 8. */
export interface NodeRun {
  readonly level: number;
  readonly first: number;
  readonly count: number;
}

/** What has to be read, and what becomes of it: `finish` takes the nodes of each run of `needs`, in order. */
export interface NodePlan<T> {
  readonly needs: readonly NodeRun[];
  finish(nodes: readonly (readonly Uint8Array[])[]): T;
}

/** The inclusion proof of leaf `index` in the tree of the first `size` leaves (RFC 9162, section 2.1.3.1). */
export function planInclusion(hasher: TreeHasher, index: number, size: number): NodePlan<Uint8Array[]> {
  if (!isIndex(size) || !isIndex(index) || index >= size) {
    throw new SealwireError('malformed', `There is no leaf ${index} in a tree of ${size}.`);
  }
  const spans: Span[] = [];
  for (let begin = 0, end = size; end - begin > 1; ) {
    const middle = begin + split(end - begin);
    if (index < middle) {
      spans.unshift([middle, end]);
      end = middle;
    } else {
      spans.unshift([begin, middle]);
      begin = middle;
    }
  }
  return planSpans(hasher, spans, (hashes) => hashes);
}

/** The consistency proof from the first `first` leaves to the first `second` (RFC 9162, section 2.1.4.1). */
export function planConsistency(hasher: TreeHasher, first: number, second: number): NodePlan<Uint8Array[]> {
  if (!isIndex(first) || !isIndex(second) || first < 1 || first > second) {
    throw new SealwireError('malformed', `There is no consistency proof from ${first} to ${second} leaves.`);
  }
  const spans: Span[] = [];
  let [begin, end, known] = [0, second, true];
  while (first !== end) {
    const middle = begin + split(end - begin);
    if (first <= middle) {
      spans.unshift([middle, end]);
      end = middle;
    } else {
      spans.unshift([begin, middle]);
      begin = middle;
      known = false;
    }
  }
  if (!known) spans.unshift([begin, end]);
  return planSpans(hasher, spans, (hashes) => hashes);
}

/** The compact range of the first `size` leaves. */
export function planCompactRange(hasher: TreeHasher, size: number): NodePlan<CompactRange> {
  return planSpans(hasher, fullSubtrees(0, size), (hashes) => new CompactRange(hasher, size, hashes));
}

/** The inclusion proofs of all leaves that were just appended to `before`, from the leaves alone. */
export class AppendedLeaves {
  readonly #first: number;
  readonly #size: number;
  readonly #before: CompactRange;
  /** By level: the nodes from the one over the first new leaf to the right edge, which may be incomplete there. */
  readonly #levels: Uint8Array[][];

  constructor(hasher: TreeHasher, before: CompactRange, leaves: readonly Uint8Array[]) {
    this.#before = before;
    this.#first = before.size;
    this.#size = before.size + leaves.length;
    this.#levels = [];
    let row = [...leaves];
    for (let level = 0, first = this.#first; row.length > 0; level++, first = Math.floor(first / 2)) {
      this.#levels.push(row);
      if (first + row.length === 1) break;
      row = pairUp(hasher, first % 2 === 1 ? before.nodeAt(level) : undefined, row);
    }
  }

  /** The path of leaf `index` (RFC 9162, section 2.1.3.1), which must be one of the appended. */
  path(index: number): Uint8Array[] {
    const path: Uint8Array[] = [];
    let [node, first] = [index, this.#first];
    for (let level = 0; level < this.#levels.length - 1; level++) {
      const sibling = node % 2 === 0 ? node + 1 : node - 1;
      const hash = sibling < first ? this.#before.nodeAt(level) : this.#levels[level]?.[sibling - first];
      if (hash) path.push(hash);
      [node, first] = [Math.floor(node / 2), Math.floor(first / 2)];
    }
    return path;
  }

  /** The root over all leaves. */
  root(): Uint8Array {
    return this.#levels.at(-1)?.[0] ?? this.#before.root();
  }

  /** Leaves of the whole tree. */
  get size(): number {
    return this.#size;
  }
}

function pairUp(hasher: TreeHasher, left: Uint8Array | undefined, row: readonly Uint8Array[]): Uint8Array[] {
  const nodes = left ? [left, ...row] : row;
  const parents: Uint8Array[] = [];
  for (let i = 0; i < nodes.length; i += 2) {
    const [a, b] = [nodes[i], nodes[i + 1]];
    // The right edge without a sibling rises as it is.
    if (a) parents.push(b ? hasher.node(a, b) : a);
  }
  return parents;
}

/** Leaves `begin` up to but without `end`. */
type Span = readonly [begin: number, end: number];

function planSpans<T>(hasher: TreeHasher, spans: readonly Span[], use: (hashes: Uint8Array[]) => T): NodePlan<T> {
  const needs: NodeRun[] = [];
  const counts = spans.map((span) => {
    const subtrees = fullSubtrees(...span).map(keptRun);
    needs.push(...subtrees);
    return subtrees.length;
  });
  const finish = (nodes: readonly (readonly Uint8Array[])[]): T => {
    let next = 0;
    const hashes = counts.map((count) => {
      const tops = needs.slice(next, next + count).map((run, i) => subtreeRoot(hasher, run, nodes[next + i] ?? []));
      next += count;
      return foldRight(hasher, tops) ?? hasher.empty();
    });
    return use(hashes);
  };
  return { needs, finish };
}

/** The largest full subtrees that make up a span which starts where a subtree of its size may start. */
function fullSubtrees(begin: number, end: number): Span[] {
  const spans: Span[] = [];
  for (let at = begin; at < end; ) {
    const leaves = powerUpTo(end - at);
    spans.push([at, at + leaves]);
    at += leaves;
  }
  return spans;
}

function keptRun([begin, end]: Span): NodeRun {
  const height = Math.round(Math.log2(end - begin));
  const level = height - (height % KEPT_LEVEL_STEP);
  return { level, first: begin / 2 ** level, count: (end - begin) / 2 ** level };
}

function subtreeRoot(hasher: TreeHasher, run: NodeRun, nodes: readonly Uint8Array[]): Uint8Array {
  let row = nodes;
  while (row.length > 1) row = pairUp(hasher, undefined, row);
  const top = row[0];
  if (nodes.length !== run.count || !top) {
    throw new SealwireError(
      'ledger-broken',
      `The ledger holds ${nodes.length} of ${run.count} tree nodes at level ${run.level} from ${run.first} on.`,
      { hint: 'Restore the ledger from a copy; `sealwire ledger verify` says what is damaged.' },
    );
  }
  return top;
}

/** The largest power of two up to `leaves`; exact where a logarithm is not. */
function powerUpTo(leaves: number): number {
  let power = 1;
  while (power * 2 <= leaves) power *= 2;
  return power;
}

/** Where a tree of that many leaves divides (RFC 9162, section 2.1.1): the largest power of two below. */
function split(leaves: number): number {
  return powerUpTo(leaves - 1);
}
