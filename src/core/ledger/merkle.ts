import { equalBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';

/** Length of every hash in the tree. */
export const HASH_BYTES = 32;

/** Hashes leaves and nodes (RFC 9162, section 2.1.1) through one buffer, so that a hot loop allocates nothing itself. */
export class TreeHasher {
  readonly #sha256: (data: Uint8Array) => Uint8Array;
  readonly #node: Uint8Array = new Uint8Array(1 + 2 * HASH_BYTES);
  #leaf: Uint8Array = new Uint8Array(4096);

  constructor(crypto: Pick<Crypto, 'sha256'>) {
    this.#sha256 = crypto.sha256;
    this.#node[0] = 1;
  }

  /** SHA-256(0x00 ‖ bytes). */
  leaf(bytes: Uint8Array): Uint8Array {
    const length = bytes.length + 1;
    if (length > this.#leaf.length) this.#leaf = new Uint8Array(length * 2);
    this.#leaf.set(bytes, 1);
    return this.#sha256(this.#leaf.subarray(0, length));
  }

  /** SHA-256(0x01 ‖ left ‖ right). */
  node(left: Uint8Array, right: Uint8Array): Uint8Array {
    this.#node.set(left, 1);
    this.#node.set(right, 1 + HASH_BYTES);
    return this.#sha256(this.#node);
  }

  /** The root of a tree without leaves: SHA-256 of nothing. */
  empty(): Uint8Array {
    return this.#sha256(new Uint8Array(0));
  }
}

/** Told of every full subtree that an appended leaf completes; `level` 1 is a pair of leaves. */
export type NodeListener = (level: number, index: number, hash: Uint8Array) => void;

/**
 * The full subtrees that cover the first `size` leaves, largest first: all that is needed to append and to know the
 * root. To append leaves and arrive at a signed root proves that the tree before is a prefix of the tree after.
 */
export class CompactRange {
  readonly #hasher: TreeHasher;
  readonly #nodes: Uint8Array[];
  #size: number;

  /** Throws `malformed` unless `nodes` is as long as `size` needs. */
  constructor(hasher: TreeHasher, size = 0, nodes: readonly Uint8Array[] = []) {
    if (!Number.isSafeInteger(size) || size < 0 || nodes.length !== bitCount(size)) {
      throw new SealwireError('malformed', `A compact range of ${nodes.length} nodes does not cover ${size} leaves.`);
    }
    if (nodes.some((node) => node.length !== HASH_BYTES)) {
      throw new SealwireError('malformed', `A compact range holds a node that is not ${HASH_BYTES} bytes long.`);
    }
    this.#hasher = hasher;
    this.#size = size;
    this.#nodes = [...nodes];
  }

  /** Leaves covered. */
  get size(): number {
    return this.#size;
  }

  /** The subtrees' roots, largest first. */
  get nodes(): readonly Uint8Array[] {
    return this.#nodes;
  }

  /** Takes the hash of the next leaf. */
  append(leaf: Uint8Array, onNode?: NodeListener): void {
    let hash = leaf;
    let index = this.#size;
    for (let level = 1; index % 2 === 1; level++) {
      hash = this.#hasher.node(this.#nodes.pop() ?? leaf, hash);
      index = (index - 1) / 2;
      onNode?.(level, index, hash);
    }
    this.#nodes.push(hash);
    this.#size += 1;
  }

  /** The root over all leaves so far. */
  root(): Uint8Array {
    return foldRight(this.#hasher, this.#nodes) ?? this.#hasher.empty();
  }

  /** A range that grows on its own. */
  clone(): CompactRange {
    return new CompactRange(this.#hasher, this.#size, this.#nodes);
  }

  /** The full subtree of 2^level leaves among the nodes, where there is one. */
  nodeAt(level: number): Uint8Array | undefined {
    const leaves = 2 ** level;
    return Math.floor(this.#size / leaves) % 2 === 1
      ? this.#nodes[bitCount(Math.floor(this.#size / leaves)) - 1]
      : undefined;
  }
}

/** The root that `path` proves leaf `index` under (RFC 9162, section 2.1.3.2), or null for a path of the wrong length. */
export function inclusionRoot(
  hasher: TreeHasher,
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array | null {
  if (!isIndex(index) || !isIndex(size) || index >= size) return null;
  let [node, last, hash] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return null;
    if (node % 2 === 1 || node === last) {
      hash = hasher.node(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else {
      hash = hasher.node(hash, sibling);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 ? hash : null;
}

/** True where `path` proves that the tree with `firstRoot` is a prefix of that with `secondRoot` (RFC 9162, 2.1.4.2). */
export function isConsistent(
  hasher: TreeHasher,
  first: number,
  second: number,
  firstRoot: Uint8Array,
  secondRoot: Uint8Array,
  path: readonly Uint8Array[],
): boolean {
  if (!isIndex(first) || !isIndex(second) || first < 1 || first > second) return false;
  if (first === second) return path.length === 0 && equalBytes(firstRoot, secondRoot);
  const isPowerOfTwo = bitCount(first) === 1;
  const [start, ...rest] = isPowerOfTwo ? [firstRoot, ...path] : path;
  if (!start || rest.length === 0) return false;
  let [node, last, old, now] = [first - 1, second - 1, start, start];
  while (node % 2 === 1) [node, last] = [(node - 1) / 2, Math.floor(last / 2)];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      old = hasher.node(sibling, old);
      now = hasher.node(sibling, now);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else {
      now = hasher.node(now, sibling);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 && equalBytes(old, firstRoot) && equalBytes(now, secondRoot);
}

/** Joins full subtrees, largest first, from the right (RFC 9162, section 2.1.1); undefined for none. */
export function foldRight(hasher: TreeHasher, nodes: readonly Uint8Array[]): Uint8Array | undefined {
  return nodes.reduceRight<Uint8Array | undefined>(
    (right, left) => (right ? hasher.node(left, right) : left),
    undefined,
  );
}

function bitCount(value: number): number {
  let bits = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

/** True for what may be a leaf index or a tree size. */
export function isIndex(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
