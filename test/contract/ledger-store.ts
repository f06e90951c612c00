import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSealwireError } from '../../src/core/errors.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { LedgerHead, LedgerStore, NewBlock, NewEntry, Position } from '../../src/core/ledger/store.ts';

/** A place that several stores may be opened over. */
export interface LedgerPlace {
  open(): LedgerStore;
  clear(): Promise<void>;
}

const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);
const place = (seq: number, sender = 1, ratchet = 1): Position => ({
  senderId: bytes(32, sender),
  ratchetId: bytes(16, ratchet),
  seq,
});

function entry(seq: number, more: Partial<NewEntry> = {}): NewEntry {
  return {
    kind: KIND.message,
    bytes: bytes(40, seq),
    leaf: bytes(32, seq),
    position: place(seq),
    confirms: null,
    ...more,
  };
}

function block(expected: LedgerHead | null, entries: readonly NewEntry[], more: Partial<NewBlock> = {}): NewBlock {
  const height = (expected?.height ?? -1) + 1;
  const treeSize = (expected?.treeSize ?? 0) + entries.length;
  const head = { height, treeSize, root: bytes(32, 100 + height) };
  return { expected, head, protectedBytes: bytes(50, height), entries, nodes: [], ...more };
}

/** Every {@link LedgerStore} behaves as its contract says: registers the tests for the implementation `name`. */
export function testLedgerStore(name: string, newPlace: () => Promise<LedgerPlace>): void {
  const run = (what: string, body: (store: LedgerStore, place: LedgerPlace) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const where = await newPlace();
      try {
        await using store = where.open();
        await body(store, where);
      } finally {
        await where.clear();
      }
    });
  };
  const headMoved = (error: unknown): boolean => isSealwireError(error, 'head-moved');

  run('is empty at first', async (store) => {
    assert.equal(await store.head(), null);
    assert.deepEqual(await store.blocks(0, 10), []);
    assert.deepEqual(await store.entries(0, 10), []);
    assert.deepEqual(await store.nodes({ level: 0, first: 0, count: 1 }), []);
    assert.equal(await store.indexAt(place(0)), null);
    assert.equal(await store.heightOf(0), null);
  });

  run('gives back what was appended, also to those who open it later', async (store, where) => {
    const first = block(null, [entry(0), entry(1)]);
    const second = block(first.head, [entry(2), entry(3), entry(4)], {
      nodes: [
        { level: 8, index: 0, hash: bytes(32, 80) },
        { level: 8, index: 1, hash: bytes(32, 81) },
      ],
    });
    await store.append(first);
    await store.append(second);
    await using other = where.open();
    for (const reader of [store, other]) {
      assert.deepEqual(await reader.head(), second.head);
      assert.deepEqual(await reader.blocks(0, 10), [
        { protectedBytes: bytes(50, 0), root: bytes(32, 100), signature: null },
        { protectedBytes: bytes(50, 1), root: bytes(32, 101), signature: null },
      ]);
      assert.deepEqual((await reader.blocks(1, 1))[0]?.protectedBytes, bytes(50, 1));
      assert.deepEqual(
        await reader.entries(1, 3),
        [1, 2, 3].map((i) => ({ bytes: bytes(40, i), leaf: bytes(32, i) })),
      );
      assert.equal((await reader.entries(4, 100)).length, 1);
      assert.deepEqual(await reader.nodes({ level: 0, first: 3, count: 2 }), [bytes(32, 3), bytes(32, 4)]);
      assert.deepEqual(await reader.nodes({ level: 8, first: 1, count: 5 }), [bytes(32, 81)]);
      assert.deepEqual(await reader.nodes({ level: 16, first: 0, count: 1 }), []);
      assert.deepEqual(await Promise.all([0, 1, 2, 4, 5].map((index) => reader.heightOf(index))), [0, 0, 1, 1, null]);
    }
  });

  run('finds an entry by its place in a ratchet', async (store) => {
    const shared = { bytes: bytes(9, 9), leaf: bytes(32, 9) };
    const entries = [
      entry(0),
      entry(5),
      { ...entry(0), ...shared, position: place(0, 2, 1) },
      { ...entry(0), ...shared, position: place(0, 1, 2) },
      { ...entry(0), ...shared, position: place(2 ** 40, 1, 2) },
    ];
    await store.append(block(null, entries));
    assert.equal(await store.indexAt(place(0)), 0);
    assert.equal(await store.indexAt(place(5)), 1);
    assert.equal(await store.indexAt(place(0, 2, 1)), 2);
    assert.equal(await store.indexAt(place(0, 1, 2)), 3);
    assert.equal(await store.indexAt(place(2 ** 40, 1, 2)), 4);
    assert.equal(await store.indexAt(place(1)), null);
    assert.equal(await store.indexAt(place(0, 2, 2)), null);
  });

  run('refuses a block on another head and keeps nothing of it', async (store) => {
    const first = block(null, [entry(0)]);
    await store.append(first);
    const elsewhere = { ...first.head, root: bytes(32, 7) };
    for (const expected of [null, elsewhere, { ...first.head, height: 3 }, { ...first.head, treeSize: 2 }]) {
      await assert.rejects(
        async () => store.append(block(expected, [entry(9, { position: place(9, 9, 9) })])),
        headMoved,
      );
    }
    assert.deepEqual(await store.head(), first.head);
    assert.equal((await store.blocks(0, 9)).length, 1);
    assert.equal((await store.entries(0, 9)).length, 1);
    assert.equal(await store.indexAt(place(9, 9, 9)), null);
    await store.append(block(first.head, [entry(9, { position: place(9, 9, 9) })]));
    assert.equal(await store.indexAt(place(9, 9, 9)), 1);
  });

  run('gives each place of a ratchet away once', async (store) => {
    const first = block(null, [entry(0)]);
    await store.append(first);
    const again = { bytes: bytes(9, 9), leaf: bytes(32, 9) };
    await assert.rejects(async () => store.append(block(first.head, [entry(1), entry(0, again)])), headMoved);
    await assert.rejects(async () => store.append(block(first.head, [entry(1), entry(1, again)])), headMoved);
    assert.deepEqual(await store.head(), first.head);
    assert.equal(await store.indexAt(place(1)), null);
    await store.append(block(first.head, [entry(1)]));
    assert.equal(await store.indexAt(place(1)), 1);
  });

  run('lets one of two writers win', async (store, where) => {
    await using other = where.open();
    const first = block(null, [entry(0)]);
    await store.append(first);
    assert.deepEqual(await other.head(), first.head);
    await other.append(block(first.head, [entry(1)]));
    await assert.rejects(async () => store.append(block(first.head, [entry(2)])), headMoved);
    assert.equal((await store.head())?.treeSize, 2);
    await assert.rejects(async () => other.append(block(null, [entry(3)])), headMoved);
  });

  run('keeps one signature a block', async (store) => {
    const first = block(null, [entry(0)]);
    await store.append(first);
    await assert.rejects(async () => store.sign(1, bytes(64, 1)), headMoved);
    await store.sign(0, bytes(64, 2));
    await assert.rejects(async () => store.sign(0, bytes(64, 3)), headMoved);
    assert.deepEqual((await store.blocks(0, 1))[0]?.signature, bytes(64, 2));
  });

  run('lists statements by kind', async (store) => {
    const statement = (kind: number): NewEntry => entry(0, { kind, position: null });
    await store.append(
      block(null, [statement(KIND.policy), statement(KIND.identity), entry(0), statement(KIND.identity)]),
    );
    assert.deepEqual(await store.statements(KIND.identity), [1, 3]);
    assert.deepEqual(await store.statements(KIND.policy), [0]);
    assert.deepEqual(await store.statements(KIND.message), []);
  });

  run('finds the delivery receipts that cover a place', async (store) => {
    const about = { senderId: bytes(32, 1), ratchetId: bytes(16, 1) };
    const receipt = (seq: number, ...ranges: [number, number][]): NewEntry =>
      entry(seq, { kind: KIND.deliveryReceipt, position: place(seq, 2, 2), confirms: { ...about, ranges } });
    await store.append(
      block(null, [receipt(0, [0, 4], [6, 6]), entry(0), receipt(1, [3, 9]), receipt(2, [5000, 5001])]),
    );
    const of = async (seq: number, sender = 1): Promise<number[]> => store.confirmations(place(seq, sender));
    assert.deepEqual(await of(0), [0]);
    assert.deepEqual(await of(3), [0, 2]);
    assert.deepEqual(await of(5), [2]);
    assert.deepEqual(await of(6), [0, 2]);
    assert.deepEqual(await of(10), []);
    assert.deepEqual(await of(5001), [3]);
    assert.deepEqual(await of(0, 2), []);
  });
}
