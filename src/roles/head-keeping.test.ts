import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSealwireError } from '../core/errors.ts';
import type { HeadClaim } from '../core/frame/label.ts';
import { encodeConsistencyAnswer } from '../core/ledger/consistency.ts';
import { CompactRange, TreeHasher } from '../core/ledger/merkle.ts';
import { planConsistency } from '../core/ledger/proofs.ts';
import { nodeCrypto } from '../node/crypto.ts';
import { HeadKeeping } from './head-keeping.ts';

const hasher = new TreeHasher(nodeCrypto);

/** A tree whose leaves are numbered, apart from one that somebody changed. */
class Tree {
  readonly #leaves: Uint8Array[];

  constructor(size: number, changed = -1) {
    this.#leaves = Array.from({ length: size }, (_, i) => hasher.leaf(Uint8Array.of(i, i === changed ? 1 : 0)));
  }

  head(treeSize: number): HeadClaim {
    const range = new CompactRange(hasher);
    for (const leaf of this.#leaves.slice(0, treeSize)) range.append(leaf);
    return { treeSize, root: range.root() };
  }

  /** The notary's honest answer for this tree. */
  answer(from: number, to: number): Uint8Array {
    const plan = planConsistency(hasher, from, to);
    const path = plan.finish(plan.needs.map(({ level, first, count }) => this.#nodes(level, first, count)));
    return encodeConsistencyAnswer({ from, to, path });
  }

  #nodes(level: number, first: number, count: number): Uint8Array[] {
    if (level === 0) return this.#leaves.slice(first, first + count);
    throw new Error('these trees are too small for kept levels');
  }
}

test('the first head is believed, a newer one once it is proven', () => {
  const tree = new Tree(20);
  const keeping = new HeadKeeping(hasher);
  assert.equal(keeping.head, null);
  assert.equal(keeping.offer(tree.head(4)), null);
  assert.deepEqual(keeping.offer(tree.head(9)), { from: 4, to: 9 });
  assert.deepEqual(keeping.head, tree.head(4));
  assert.equal(keeping.offer(tree.head(13)), null, 'one question at a time');
  assert.equal(keeping.offer(tree.head(11)), null);
  assert.deepEqual(keeping.answer(tree.answer(4, 9)), { from: 9, to: 13 });
  assert.deepEqual(keeping.head, tree.head(9));
  assert.equal(keeping.answer(tree.answer(9, 13)), null);
  assert.deepEqual(keeping.head, tree.head(13));
  assert.equal(keeping.offer(tree.head(2)), null, 'a receipt of an older block is no news');
  assert.deepEqual(keeping.head, tree.head(13));
});

test('a question that is lost with its session is asked again', () => {
  const tree = new Tree(8);
  const keeping = new HeadKeeping(hasher);
  assert.equal(keeping.restart(), null);
  keeping.offer(tree.head(3));
  keeping.offer(tree.head(5));
  assert.deepEqual(keeping.restart(), { from: 3, to: 5 });
  keeping.answer(tree.answer(3, 5));
  assert.deepEqual(keeping.head, tree.head(5));
  assert.equal(keeping.restart(), null);
});

test('an answer that nobody asked for changes nothing', () => {
  const tree = new Tree(8);
  const keeping = new HeadKeeping(hasher);
  assert.equal(keeping.answer(tree.answer(3, 5)), null);
  keeping.offer(tree.head(3));
  keeping.offer(tree.head(5));
  assert.equal(keeping.answer(tree.answer(3, 8)), null);
  assert.equal(keeping.answer(tree.answer(2, 5)), null);
  assert.deepEqual(keeping.head, tree.head(3));
});

for (const [what, answer] of [
  ['no proof at all', () => encodeConsistencyAnswer({ from: 5, to: 8, path: null })],
  ['an empty proof', () => encodeConsistencyAnswer({ from: 5, to: 8, path: [] })],
  ['the proof of the tree that was', () => new Tree(8).answer(5, 8)],
  ['the proof of the tree that is', () => new Tree(8, 2).answer(5, 8)],
] as const) {
  test(`a rewritten ledger is noticed: with ${what} the old head stays`, () => {
    const keeping = new HeadKeeping(hasher);
    const before = new Tree(8).head(5);
    keeping.offer(before);
    keeping.offer(new Tree(8, 2).head(8));
    assert.throws(
      () => keeping.answer(answer()),
      (error) => isSealwireError(error, 'checkpoint-mismatch'),
    );
    assert.deepEqual(keeping.head, before);
    assert.equal(keeping.restart(), null, 'that head is not asked about again');
  });
}

test('another root of the size that is known is noticed at once', () => {
  const keeping = new HeadKeeping(hasher);
  keeping.offer(new Tree(8).head(5));
  assert.equal(keeping.offer(new Tree(8).head(5)), null);
  assert.throws(
    () => keeping.offer(new Tree(8, 2).head(5)),
    (error) => isSealwireError(error, 'checkpoint-mismatch'),
  );
});
