import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeCrypto } from '../../node/crypto.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../bytes.ts';
import { isSealwireError } from '../errors.ts';
import { CompactRange, inclusionRoot, isConsistent, TreeHasher } from './merkle.ts';
import { AppendedLeaves, type NodePlan, planCompactRange, planConsistency, planInclusion } from './proofs.ts';

const hasher = new TreeHasher(nodeCrypto);

/** RFC 9162, section 2.1.1, word by word. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves;
  if (!first) return nodeCrypto.sha256(new Uint8Array(0));
  if (leaves.length === 1) return first;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeCrypto.sha256(concatBytes(Uint8Array.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k))));
}

/** RFC 9162, section 2.1.3.1, word by word. */
function naivePath(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length <= 1) return [];
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return index < k
    ? [...naivePath(index, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(index - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

const leafOf = (i: number): Uint8Array => hasher.leaf(Uint8Array.of(i >> 8, i & 255));
const leavesUpTo = (size: number): Uint8Array[] => Array.from({ length: size }, (_, i) => leafOf(i));

/** Answers a plan from the nodes that a store would keep. */
function answer<T>(plan: NodePlan<T>, leaves: readonly Uint8Array[]): T {
  return plan.finish(
    plan.needs.map(({ level, first, count }) =>
      Array.from({ length: count }, (_, i) => {
        const begin = (first + i) * 2 ** level;
        return naiveRoot(leaves.slice(begin, begin + 2 ** level));
      }),
    ),
  );
}

const vectorFile = new URL('../../../../shared/vectors/merkle/rfc6962-tree-8.json', import.meta.url);
test('roots agree with the published tree of eight', {
  skip: existsSync(vectorFile) ? false : 'the shared vectors are not beside this checkout',
}, () => {
  const vector = JSON.parse(readFileSync(vectorFile, 'utf8')) as { leafInputsHex: string[]; rootBySizeHex: string[] };
  const range = new CompactRange(hasher);
  assert.equal(bytesToHex(range.root()), vector.rootBySizeHex[0]);
  vector.leafInputsHex.forEach((input, i) => {
    range.append(hasher.leaf(hexToBytes(input)));
    assert.equal(bytesToHex(range.root()), vector.rootBySizeHex[i + 1]);
  });
});

test('a compact range and the proofs agree with the definitions', () => {
  const shape = fc
    .integer({ min: 1, max: 600 })
    .chain((size) =>
      fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 }), fc.integer({ min: 1, max: size })),
    );
  fc.assert(
    fc.property(shape, ([size, index, first]) => {
      const leaves = leavesUpTo(size);
      const range = new CompactRange(hasher);
      for (const leaf of leaves) range.append(leaf);
      const root = naiveRoot(leaves);
      assert.deepEqual(range.root(), root);
      assert.deepEqual(answer(planCompactRange(hasher, size), leaves).nodes, range.nodes);

      const path = answer(planInclusion(hasher, index, size), leaves);
      assert.deepEqual(path, naivePath(index, leaves));
      assert.deepEqual(inclusionRoot(hasher, leafOf(index), index, size, path), root);

      const firstRoot = naiveRoot(leaves.slice(0, first));
      const proof = answer(planConsistency(hasher, first, size), leaves);
      assert.ok(isConsistent(hasher, first, size, firstRoot, root, proof));
      const other = nodeCrypto.sha256(root);
      assert.ok(!isConsistent(hasher, first, size, other, root, proof));
      assert.ok(!isConsistent(hasher, first, size, firstRoot, other, proof));
      assert.ok(!isConsistent(hasher, first, size, firstRoot, root, [...proof, other]));
      if (proof.length > 0) assert.ok(!isConsistent(hasher, first, size, firstRoot, root, proof.slice(1)));
    }),
    { seed: 11, numRuns: 60 },
  );
});

test('the proofs of an appended batch are those of the whole tree', () => {
  fc.assert(
    fc.property(fc.nat(70), fc.integer({ min: 1, max: 70 }), (before, count) => {
      const leaves = leavesUpTo(before + count);
      const range = new CompactRange(hasher);
      for (const leaf of leaves.slice(0, before)) range.append(leaf);
      const batch = new AppendedLeaves(hasher, range, leaves.slice(before));
      assert.deepEqual(batch.root(), naiveRoot(leaves));
      for (let i = before; i < leaves.length; i++) assert.deepEqual(batch.path(i), naivePath(i, leaves));
    }),
    { seed: 12, numRuns: 200 },
  );
});

test('the nodes of kept levels come out of appending', () => {
  const range = new CompactRange(hasher);
  const kept: string[] = [];
  const leaves = leavesUpTo(513);
  for (const leaf of leaves) {
    range.append(leaf, (level, index, hash) => {
      if (level === 8) kept.push(`${index} ${bytesToHex(hash)}`);
    });
  }
  assert.deepEqual(kept, [
    `0 ${bytesToHex(naiveRoot(leaves.slice(0, 256)))}`,
    `1 ${bytesToHex(naiveRoot(leaves.slice(256, 512)))}`,
  ]);
});

test('a proof for an old entry of a large ledger reads at most 255 nodes a level', () => {
  const reads = planInclusion(hasher, 123_456, 1_000_003).needs;
  assert.ok(reads.every(({ level }) => level % 8 === 0));
  assert.ok(reads.reduce((sum, { count }) => sum + count, 0) <= 3 * 255 + 16);
});

test('a path of another length, index or size proves nothing', () => {
  const leaves = leavesUpTo(37);
  const root = naiveRoot(leaves);
  const path = naivePath(36, leaves);
  const proven = (index: number, size: number, with_: Uint8Array[]) => {
    const got = inclusionRoot(hasher, leafOf(36), index, size, with_);
    return got !== null && bytesToHex(got) === bytesToHex(root);
  };
  assert.ok(proven(36, 37, path));
  assert.ok(!proven(35, 37, path));
  assert.ok(!proven(37, 37, path));
  assert.ok(!proven(-1, 37, path));
  assert.ok(!proven(36, 37, [...path, root]));
  assert.ok(!proven(36, 37, path.slice(0, -1)));
  assert.ok(!proven(0.5, 37, path));
});

test('what does not fit is refused', () => {
  assert.throws(
    () => new CompactRange(hasher, 3, []),
    (error) => isSealwireError(error, 'malformed'),
  );
  assert.throws(
    () => new CompactRange(hasher, 1, [new Uint8Array(31)]),
    (error) => isSealwireError(error, 'malformed'),
  );
  assert.throws(
    () => planInclusion(hasher, 4, 4),
    (error) => isSealwireError(error, 'malformed'),
  );
  assert.throws(
    () => planConsistency(hasher, 0, 4),
    (error) => isSealwireError(error, 'malformed'),
  );
  const plan = planCompactRange(hasher, 5);
  assert.throws(
    () => plan.finish([[], []]),
    (error) => isSealwireError(error, 'ledger-broken'),
  );
});
