import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalBytes } from '../../src/core/bytes.ts';
import { CompactRange, inclusionRoot, isConsistent, TreeHasher } from '../../src/core/ledger/merkle.ts';
import { type NodePlan, planConsistency, planInclusion } from '../../src/core/ledger/proofs.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';

const seed = 20260703;
const hasher = new TreeHasher(nodeCrypto);

/** A tree of any leaves, with its nodes. */
class Tree {
  readonly leaves: readonly Uint8Array[];
  readonly #nodes = new Map<string, Uint8Array>();

  constructor(entries: readonly Uint8Array[]) {
    this.leaves = entries.map((entry) => hasher.leaf(entry));
    const range = new CompactRange(hasher);
    for (const leaf of this.leaves)
      range.append(leaf, (level, index, hash) => this.#nodes.set(`${level} ${index}`, hash));
  }

  rootAt(size: number): Uint8Array {
    const range = new CompactRange(hasher);
    for (const leaf of this.leaves.slice(0, size)) range.append(leaf);
    return range.root();
  }

  read<T>(plan: NodePlan<T>): T {
    return plan.finish(
      plan.needs.map(({ level, first, count }) =>
        Array.from(
          { length: count },
          (_, i) =>
            (level === 0 ? this.leaves[first + i] : this.#nodes.get(`${level} ${first + i}`)) ?? new Uint8Array(32),
        ),
      ),
    );
  }
}

const entry = fc.uint8Array({ maxLength: 40 });
const entries = fc.uniqueArray(entry, { minLength: 2, maxLength: 80, comparator: equalBytes });
const change = fc.record({ at: fc.nat(), bit: fc.nat({ max: 255 }) });

function altered(
  path: readonly Uint8Array[],
  { at, bit }: { readonly at: number; readonly bit: number },
): Uint8Array[] {
  return path.map((hash, i) => {
    if (i !== at % path.length) return hash;
    const other = hash.slice();
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return other;
  });
}

test('the Merkle tree: a path proves its leaf, at its place, under its root, and nothing else', () => {
  fc.assert(
    fc.property(entries, fc.nat(), fc.nat(), change, entry, (all, which, other, damage, foreign) => {
      const tree = new Tree(all);
      const size = all.length;
      const index = which % size;
      const path = tree.read(planInclusion(hasher, index, size));
      const [leaf, root] = [tree.leaves[index] ?? new Uint8Array(32), tree.rootAt(size)];
      const proves = (claim: Uint8Array, at: number, hashes: readonly Uint8Array[]): boolean => {
        const shown = inclusionRoot(hasher, claim, at, size, hashes);
        return shown !== null && equalBytes(shown, root);
      };
      assert.ok(proves(leaf, index, path));
      if (other % size !== index) assert.ok(!proves(leaf, other % size, path));
      if (!equalBytes(foreign, all[index] ?? foreign)) assert.ok(!proves(hasher.leaf(foreign), index, path));
      assert.ok(!proves(leaf, index, altered(path, damage)));
      assert.ok(!proves(leaf, index, path.slice(1)));
      assert.ok(!proves(leaf, index, [...path, root]));
    }),
    { seed, numRuns: 300 },
  );
});

test('the Merkle tree: consistency holds between sizes of one tree, and for no history that was rewritten', () => {
  fc.assert(
    fc.property(entries, fc.nat(), fc.nat(), fc.nat(), change, (all, a, b, which, damage) => {
      const tree = new Tree(all);
      const [first, second] = [(a % all.length) + 1, (b % all.length) + 1].sort((x, y) => x - y) as [number, number];
      const [old, now] = [tree.rootAt(first), tree.rootAt(second)];
      const path = tree.read(planConsistency(hasher, first, second));
      assert.ok(isConsistent(hasher, first, second, old, now, path));
      if (path.length > 0) assert.ok(!isConsistent(hasher, first, second, old, now, altered(path, damage)));
      // One entry of the part that both have is another one: no path that its operator can make leads from old to it.
      const rewritten = all.map((bytes, i) => (i === which % first ? Uint8Array.of(...bytes, 1) : bytes));
      const other = new Tree(rewritten);
      const theirs = other.read(planConsistency(hasher, first, second));
      assert.ok(!isConsistent(hasher, first, second, old, other.rootAt(second), theirs));
      assert.ok(!isConsistent(hasher, first, second, old, other.rootAt(second), path));
    }),
    { seed, numRuns: 300 },
  );
});

test('the Merkle tree: a range that is taken apart and put together at any place goes on the same', () => {
  fc.assert(
    fc.property(entries, fc.nat(), (all, cut) => {
      const at = cut % all.length;
      const tree = new Tree(all);
      const begun = new CompactRange(hasher);
      for (const leaf of tree.leaves.slice(0, at)) begun.append(leaf);
      const goneOn = new CompactRange(hasher, begun.size, begun.nodes);
      for (const leaf of tree.leaves.slice(at)) goneOn.append(leaf);
      assert.deepEqual(goneOn.root(), tree.rootAt(all.length));
      assert.equal(begun.size, at, 'what was copied is left as it was');
    }),
    { seed, numRuns: 200 },
  );
});
