import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mac0Tag } from '../../src/core/cose.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { decodeLabel, draftLabel } from '../../src/core/frame/label.ts';
import { formatId, identityId } from '../../src/core/identity/id.ts';
import { KIND } from '../../src/core/kinds.ts';
import { decodeBlockHeader } from '../../src/core/ledger/block.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import { draftStatement } from '../../src/core/ledger/statement.ts';
import type { NewEntry } from '../../src/core/ledger/store.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { openLedgerReader, openLedgerStore } from '../../src/node/sqlite-ledger.ts';
import { appendBlock, type NotaryKeys, type Tail } from '../../src/roles/head.ts';
import { notaryOptions, testNotary, Writer } from '../support/ledger.ts';
import { checkpointOf, type LedgerFile, ledgerFile, verdict, verifyFile } from '../support/ledger-file.ts';

interface OwnBlock {
  timeS: number;
  entries: Uint8Array[];
}

/** The operator holds the notary's key: whatever the honest ledger held is signed anew, as `rewrite` wants it. */
async function rewritten(file: LedgerFile, rewrite: (blocks: OwnBlock[]) => void): Promise<string> {
  const keys = await operatorKeys();
  const blocks = await blocksOf(file.path);
  rewrite(blocks);
  const path = `${file.copy()}.rewritten`;
  await using store = openLedgerStore(path);
  let tail: Tail | null = null;
  for (const { timeS, entries } of blocks) {
    // An honest notary signs no time before its last block's; this one does.
    const before: Tail | null = tail && { ...tail, header: { ...tail.header, timeS: 0 } };
    const kept = entries.map((bytes) => entryOf(keys, bytes));
    tail = await appendBlock(keys, store, before, kept, timeS);
  }
  return path;
}

async function operatorKeys(): Promise<NotaryKeys> {
  const { signer, verifierOf, origin } = await notaryOptions();
  const hasher = new TreeHasher(nodeCrypto);
  const id = identityId(nodeCrypto, signer.publicKey);
  return { crypto: nodeCrypto, hasher, signer, verifier: verifierOf(signer.publicKey), id, origin };
}

async function blocksOf(path: string): Promise<OwnBlock[]> {
  await using reader = openLedgerReader(path);
  const blocks: OwnBlock[] = [];
  for (const { protectedBytes } of await reader.blocks(0, 1000)) {
    const { timeS, firstIndex, treeSize } = decodeBlockHeader(protectedBytes);
    const entries = await reader.entries(firstIndex, treeSize - firstIndex);
    blocks.push({ timeS, entries: entries.map(({ bytes }) => bytes) });
  }
  return blocks;
}

/** Without its place: the store would not take a label twice, a verification must not need the store's word for it. */
function entryOf({ hasher }: NotaryKeys, bytes: Uint8Array): NewEntry {
  return { kind: KIND.message, bytes, leaf: hasher.leaf(bytes), position: null, confirms: null };
}

function blockAt(blocks: OwnBlock[], height: number): OwnBlock {
  const block = blocks[height];
  if (!block) throw new Error(`there is no block ${height}`);
  return block;
}

const REWRITTEN = 'it is not the block that the checkpoint remembers: the ledger was rewritten';

/** Flawless in itself, found by whoever remembers a head: a checkpoint, or a sender's label. */
async function assertFound(file: LedgerFile, path: string, block: number): Promise<void> {
  const checkpoint = await checkpointOf(file.path);
  assert.equal(await verdict(path, 'fast'), 'valid');
  const report = await verifyFile(path, 'full');
  assert.equal(report.verdict, 'disputed');
  assert.equal(report.checkpoint, null);
  assert.ok(report.findings.disputes.total > 0);
  for (const mode of ['full', 'fast', 'incremental'] as const) {
    const found = await verdict(path, mode, { checkpoint });
    assert.equal(found, `checkpoint-mismatch: block ${block}: ${REWRITTEN}`);
  }
  for (const mode of ['full', 'fast', 'incremental'] as const) {
    assert.equal(await verdict(file.path, mode, { checkpoint }), 'valid');
  }
}

test('C1 C8 the operator rewrites the whole ledger without one label', async (t) => {
  const file = await ledgerFile(t, 22);
  const path = await rewritten(file, (blocks) => {
    // Filled up from the next blocks, so that nothing shows in the sizes but at the end.
    blockAt(blocks, 4).entries.splice(2, 1, ...blockAt(blocks, 5).entries.splice(0, 1));
    blockAt(blocks, 5).entries.push(...blockAt(blocks, 6).entries.splice(0, 1));
    blockAt(blocks, 6).entries.push(...blockAt(blocks, 7).entries.splice(0, 1));
  });
  const checkpoint = await checkpointOf(file.path);
  const cut = 'checkpoint-mismatch: cut off: the ledger has 25 entries, the checkpoint says 26';
  assert.equal(await verdict(path, 'full', { checkpoint }), cut);
  assert.equal(await verdict(path, 'incremental', { checkpoint }), `checkpoint-mismatch: block 7: ${REWRITTEN}`);
  const { verdict: alone, findings } = await verifyFile(path, 'full');
  assert.equal(alone, 'disputed');
  assert.deepEqual(
    findings.gaps.first.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq]),
    [[7, 7]],
  );
});

test('C8 the operator backdates blocks and links them anew', async (t) => {
  const file = await ledgerFile(t, 23);
  const path = await rewritten(file, (blocks) => {
    for (const block of blocks.slice(4)) block.timeS += 3600;
    for (const block of blocks) block.timeS -= 86_400;
  });
  const checkpoint = await checkpointOf(file.path);
  // No entry changed, so the tree is the same; the link to the block that was remembered is not.
  assert.equal(await verdict(path, 'full'), 'valid');
  for (const mode of ['full', 'fast', 'incremental'] as const) {
    assert.equal(await verdict(path, mode, { checkpoint }), `checkpoint-mismatch: block 7: ${REWRITTEN}`);
  }
  const impossible = await rewritten(file, (blocks) => {
    for (const block of blocks.slice(4)) block.timeS -= 1;
  });
  assert.equal(await verdict(impossible, 'fast'), 'ledger-broken: block 4: its time is before that of block 3');
});

test('C9 the operator reorders entries and links the blocks anew', async (t) => {
  const file = await ledgerFile(t, 23);
  const path = await rewritten(file, (blocks) => {
    const { entries } = blockAt(blocks, 4);
    entries.splice(1, 2, ...entries.slice(1, 3).reverse());
  });
  await assertFound(file, path, 7);
});

test("C9 the operator inserts a member's later label among the old ones", async (t) => {
  const file = await ledgerFile(t, 23);
  const inserted = await new Writer(file.bob).label();
  const path = await rewritten(file, (blocks) => {
    const [last] = blockAt(blocks, 7).entries.splice(-1, 1);
    const { entries } = blockAt(blocks, 4);
    const moved = entries.pop();
    entries.splice(2, 0, inserted);
    blockAt(blocks, 7).entries.push(...[moved ?? last].flatMap((label) => (label ? [label] : [])));
  });
  await assertFound(file, path, 7);
});

test('C9 a label that claims a head from after its own block was put there later', async (t) => {
  const file = await ledgerFile(t, 23);
  const path = await rewritten(file, (blocks) => {
    const [late] = blockAt(blocks, 7).entries.splice(0, 1);
    if (late) blockAt(blocks, 3).entries.unshift(late);
  });
  const { findings } = await verifyFile(path, 'full');
  assert.equal(findings.disputes.first[0]?.entry, 4);
});

test('C7 a reader fabricates an entry with a valid HMAC: the notary refuses it, and so does whoever verifies', async (t) => {
  const file = await ledgerFile(t, 8);
  const genuine = await file.writer.label();
  // Bob can open alice's frames, so he has the key of the HMAC; he signs with his own.
  const { protectedBytes } = decodeLabel(genuine);
  const payload = nodeCrypto.sha256(Uint8Array.of(66));
  const mac0 = { payload, tag: mac0Tag(nodeCrypto, new Uint8Array(32).fill(7), payload, protectedBytes) };
  const draft = draftLabel(protectedBytes, mac0);
  const forged = draft.finish(await file.bob.signer.sign(draft.toBeSigned));
  await file.withNotary(async (notary) => {
    await assert.rejects(notary.submit(forged), (error) => isSealwireError(error, 'signature-invalid'));
    await notary.submit(genuine);
  });
  assert.equal(await verdict(file.path, 'full'), 'valid');

  const path = await rewritten(file, (blocks) => void blockAt(blocks, 5).entries.splice(0, 1, forged));
  assert.equal(await verdict(path, 'full'), 'ledger-broken: block 5, entry 12: its signature does not hold');
  const fast = await verifyFile(path, 'fast');
  assert.match(fast.onTrust.join(' '), /Senders' signatures were not verified/);
});

test('the operator cannot speak for a member, repeat a place, or accuse without a conflict', async (t) => {
  const file = await ledgerFile(t, 8);
  const { id, origin, signer } = await operatorKeys();
  const stranger = await new Writer({ ...file.bob, id: new Uint8Array(32).fill(9) }).label();
  const twice = await new Writer(file.alice).label({ seq: 3, topic: 'other' });
  const accuse = async (entryIndex: number, label: Uint8Array): Promise<Uint8Array> => {
    const draft = draftStatement({ notaryId: id, origin, timeS: 1 }, { kind: KIND.conflict, entryIndex, label });
    return draft.finish(await signer.sign(draft.toBeSigned));
  };
  const [logged = twice] = file.labels.slice(3, 4);
  const cases: [string, Uint8Array[]][] = [
    ["entry 12: it repeats the place of entry 7 in its sender's ratchet", [twice]],
    ["entry 12: no identity before it is its sender's", [stranger]],
    ['entry 12: its label is in no conflict with entry 7', [await accuse(7, logged)]],
    ['entry 12: its label is in no conflict with entry 6', [await accuse(6, twice)]],
  ];
  for (const [expected, entries] of cases) {
    const path = await rewritten(file, (blocks) => void blocks.push({ timeS: 2e9, entries }));
    assert.equal(await verdict(path, 'full'), `ledger-broken: block 5, ${expected}`);
  }
  const fresh = await new Writer(file.bob).label();
  const fair = await rewritten(file, (blocks) => void blocks.push({ timeS: 2e9, entries: [fresh] }));
  assert.equal(await verdict(fair, 'full'), 'valid');
});

test('N26 an equivocating writer is named in what verification finds', async (t) => {
  const file = await ledgerFile(t, 8);
  const twice = await new Writer(file.alice).label({ seq: 3, topic: 'other' });
  await file.withNotary(async (notary) => {
    await assert.rejects(notary.submit(twice), (error) => isSealwireError(error, 'conflict'));
  });
  const { verdict: found, findings } = await verifyFile(file.path, 'full');
  assert.equal(found, 'valid');
  assert.deepEqual(
    findings.conflicts.first.map(({ entry, about, senderId }) => [entry, about, formatId(senderId)]),
    [[12, 7, formatId(file.alice.id)]],
  );
});

test('C14 an invented head in a label names its sender, and breaks nothing', async (t) => {
  const file = await ledgerFile(t, 8);
  const bob = new Writer(file.bob);
  bob.head = { treeSize: 9, root: new Uint8Array(32).fill(1) };
  await file.withNotary(async (notary) => notary.submit(await bob.label()));
  const { verdict: found, broken, findings } = await verifyFile(file.path, 'full');
  assert.deepEqual([found, broken], ['disputed', null]);
  assert.deepEqual(
    findings.disputes.first.map(({ entry, senderId }) => [entry, formatId(senderId)]),
    [[12, formatId(file.bob.id)]],
  );
});

test('C6 N7 N8 what was never logged shows as a gap, and a delivery receipt for it as not logged', async (t) => {
  const file = await ledgerFile(t, 8);
  const writer = new Writer(file.alice, 2);
  const sent = await writer.labels(6);
  const end = await writer.end([4]);
  const reader = new Writer(file.bob, 3);
  const all = await reader.deliveryReceipt(sent.slice(0, 4));
  const honest = await reader.deliveryReceipt(sent.slice(0, 2));
  const mixed = await reader.deliveryReceipt([
    ...sent.slice(0, 1),
    await new Writer(file.alice, 2).label({ seq: 1, topic: 'x' }),
  ]);
  await file.withNotary(async (notary) => {
    const logged = [...sent.slice(0, 3), ...sent.slice(5), end, honest, all, mixed];
    assert.ok((await notary.submitMany(logged)).every(({ status }) => status === 'logged'));
  });
  const { verdict: found, findings } = await verifyFile(file.path, 'full');
  assert.equal(found, 'valid');
  assert.deepEqual(
    findings.gaps.first.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq]),
    [[3, 3]],
  );
  assert.deepEqual(
    findings.receiptProblems.first.map(({ entry, problem }) => [entry, problem]),
    [
      [19, 'mismatch'],
      [18, 'not-logged'],
    ],
  );
});

test('C5 two auditors are shown two histories: noticed by both once one sees the other’s head, or a label', async (t) => {
  const file = await ledgerFile(t, 22);
  const other = await rewritten(file, (blocks) => {
    // As it would be where the last labels had come otherwise: flawless, for no later label names a head.
    blockAt(blocks, blocks.length - 1).entries.reverse();
  });
  const [first, second] = [await checkpointOf(file.path), await checkpointOf(other)];
  assert.equal(await verdict(other, 'full'), 'valid');
  for (const mode of ['full', 'fast', 'incremental'] as const) {
    for (const [path, checkpoint] of [[file.path, second] as const, [other, first] as const]) {
      assert.match(await verdict(path, mode, { checkpoint }), /^checkpoint-mismatch: /);
    }
  }
  // A member that was shown the first history says so in its next label, wherever that is logged.
  const writer = new Writer(file.alice, 9);
  writer.head = { treeSize: first.treeSize, root: first.root };
  await using store = openLedgerStore(other);
  await using notary = await testNotary(store, [file.alice, file.bob]);
  await notary.submitMany([await writer.label()]);
  const { verdict: found, findings } = await verifyFile(other, 'full');
  assert.deepEqual([found, findings.disputes.total], ['disputed', 1]);
  assert.equal(await verdict(file.path, 'full', { checkpoint: first }), 'valid');
});
