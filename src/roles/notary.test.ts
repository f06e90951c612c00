import assert from 'node:assert/strict';
import { test } from 'node:test';
import { member, notaryOptions, StillClock, testNotary, Writer, withOtherMac } from '../../test/support/ledger.ts';
import { equalBytes } from '../core/bytes.ts';
import { type ErrorCode, isSealwireError } from '../core/errors.ts';
import { decodeLabel, draftLabel } from '../core/frame/label.ts';
import { KIND } from '../core/kinds.ts';
import { decodeEntry } from '../core/ledger/entry.ts';
import { isConsistent, TreeHasher } from '../core/ledger/merkle.ts';
import { checkReceipt } from '../core/ledger/receipt.ts';
import type { LedgerStore } from '../core/ledger/store.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { ledgerMemory, memoryLedger } from './memory-ledger.ts';
import { type Logged, type Notary, openNotary } from './notary.ts';

const hasher = new TreeHasher(nodeCrypto);
const alice = await member('alice', 1);
const bob = await member('bob', 2);
const notaryKey = (await notaryOptions()).signer.publicKey;

async function assertProven({ receipt, index }: Logged, entry: Uint8Array): Promise<void> {
  const check = checkReceipt(hasher, receipt, entry);
  assert.equal(check.leafIndex, index);
  assert.ok(await nodeVerifier(notaryKey).verify(check.toBeVerified, check.signature));
}

async function statementAt(store: LedgerStore, index: number) {
  const [stored] = await store.entries(index, 1);
  const entry = stored && decodeEntry(stored.bytes);
  if (entry?.type !== 'statement') assert.fail(`entry ${index} is no statement`);
  return entry.statement.content;
}

const refused = (code: ErrorCode) => (error: unknown) => isSealwireError(error, code);

test('a ledger begins with its policy and the identity of its notary', async () => {
  const { store, ...options } = await notaryOptions();
  await using notary = await openNotary({ ...options, store });
  assert.equal(notary.head.treeSize, 2);
  assert.equal(notary.head.height, 0);
  const policy = await statementAt(store, 0);
  assert.ok(policy.kind === KIND.policy && equalBytes(policy.publicKey, notaryKey));
  assert.equal((await statementAt(store, 1)).kind, KIND.identity);
});

test('what is submitted is logged, and proven by a receipt', async () => {
  await using notary = await testNotary(memoryLedger(), [alice]);
  const writer = new Writer(alice);
  for (let i = 0; i < 5; i++) {
    const label = await writer.label();
    const logged = await notary.submit(label);
    assert.equal(logged.index, 3 + i);
    await assertProven(logged, label);
  }
  assert.equal(notary.head.treeSize, 8);
});

test('what is submitted together shares blocks, in order, up to the bound', async () => {
  await using notary = await testNotary(memoryLedger(), [alice], { blockEntriesMax: 8 });
  const labels = await new Writer(alice).labels(20);
  const before = notary.head.height;
  const results = await notary.submitMany(labels);
  assert.equal(notary.head.height, before + 3);
  for (const [i, result] of results.entries()) {
    assert.ok(result.status === 'logged');
    assert.equal(result.logged.index, 3 + i);
    await assertProven(result.logged, labels[i] ?? new Uint8Array(0));
  }
});

test('what several submit in one turn shares a block', async () => {
  await using notary = await testNotary(memoryLedger(), [alice, bob]);
  const before = notary.head.height;
  const labels = [await new Writer(alice).label(), await new Writer(bob).label()];
  await Promise.all(labels.map((label) => notary.submit(label)));
  assert.equal(notary.head.height, before + 1);
});

test('a label that is there already gets a receipt again', async () => {
  await using notary = await testNotary(memoryLedger(), [alice]);
  const writer = new Writer(alice);
  const label = await writer.label();
  const [first, twin] = await Promise.all([notary.submit(label), notary.submit(label.slice())]);
  assert.equal(twin.index, first.index);
  await notary.submitMany(await writer.labels(300));
  const again = await notary.submit(label);
  assert.equal(again.index, first.index);
  await assertProven(again, label);
  assert.equal(notary.head.treeSize, 304);
});

test('two labels for one place are logged as a conflict, once', async () => {
  const store = memoryLedger();
  await using notary = await testNotary(store, [alice]);
  const writer = new Writer(alice);
  const [one, other, third] = [
    await writer.label({ seq: 4 }),
    await writer.label({ seq: 4, topic: 'b' }),
    await writer.label({ seq: 4, topic: 'c' }),
  ];
  const [logged, refusal] = await notary.submitMany([one, other]);
  assert.ok(logged?.status === 'logged' && logged.logged.index === 3);
  assert.ok(refusal?.status === 'refused' && refusal.error.code === 'conflict');
  assert.match(refusal.error.message, /seq 4.*entry 3 holds the other; entry 4 says so/);
  const conflict = await statementAt(store, 4);
  assert.ok(conflict.kind === KIND.conflict && conflict.entryIndex === 3 && equalBytes(conflict.label, other));
  await assert.rejects(notary.submit(third), refused('conflict'));
  await notary.close();

  await using later = await testNotary(store, [alice]);
  await assert.rejects(later.submit(third), refused('conflict'));
  assert.equal(later.head.treeSize, 5);
});

test('what does not belong into a ledger is refused, and holds nothing up', async () => {
  await using notary = await testNotary(memoryLedger(), [alice]);
  const writer = new Writer(alice);
  const good = await writer.label();
  const { protectedBytes, content, mac, signature } = decodeLabel(await writer.label());
  const half = draftLabel(protectedBytes, { payload: content, tag: mac }).finish(
    signature.with(63, (signature[63] ?? 0) ^ 1),
  );
  const cases: [ErrorCode, Uint8Array][] = [
    ['malformed', new Uint8Array(0)],
    ['malformed', good.subarray(1)],
    ['too-large', new Uint8Array(3000)],
    ['sender-unknown', await new Writer(bob).label()],
    ['not-admitted', await writer.label({ kind: KIND.cannotOpen })],
    ['signature-invalid', withOtherMac(await writer.label())],
    ['signature-invalid', half],
    ['malformed', await writer.label({ kind: KIND.deliveryReceipt, content: new Uint8Array(4) })],
    ['malformed', await writer.label({ kind: KIND.end, content: new Uint8Array(4) })],
  ];
  const results = await notary.submitMany([...cases.map(([, label]) => label), good]);
  const codes = results.map((result) => (result.status === 'refused' ? result.error.code : result.status));
  assert.deepEqual(codes, [...cases.map(([code]) => code), 'logged']);
  assert.equal(notary.head.treeSize, 4);
});

test('a full queue refuses, and takes again when there is room', async () => {
  await using notary = await testNotary(memoryLedger(), [alice], { queueEntriesMax: 3 });
  const labels = await new Writer(alice).labels(5);
  const results = await notary.submitMany(labels);
  const codes = results.map((result) => (result.status === 'refused' ? result.error.code : result.status));
  assert.deepEqual(codes, ['logged', 'logged', 'logged', 'overloaded', 'overloaded']);
  assert.equal((await notary.submit(labels[4] ?? new Uint8Array(0))).index, 6);
});

test('a notary goes on where it stopped', async () => {
  const store = memoryLedger();
  const writer = new Writer(alice);
  const first = await testNotary(store, [alice]);
  await first.submitMany(await writer.labels(700));
  const { root, treeSize } = first.head;
  await first.close();
  await assert.rejects(first.submit(await new Writer(alice, 9).label()), refused('not-logged'));

  const second = await openNotary(await notaryOptions({ store }));
  assert.deepEqual(second.head.root, root);
  const label = await writer.label();
  await assert.rejects(second.submit(label), refused('sender-unknown'));
  await second.admit(alice.certificates);
  assert.equal(second.head.treeSize, treeSize);
  const logged = await second.submit(label);
  await assertProven(logged, label);
  assert.ok(
    isConsistent(
      hasher,
      treeSize,
      treeSize + 1,
      root,
      second.head.root,
      await second.consistency(treeSize, treeSize + 1),
    ),
  );
});

test('new certificates of a known key are logged too', async () => {
  const renewed = await member('alice-2', 1);
  await using notary = await testNotary(memoryLedger(), [alice, renewed, renewed]);
  assert.equal(notary.head.treeSize, 4);
});

test('the clock must not be before the last block', async () => {
  const { store, ...options } = await notaryOptions();
  const clock = new StillClock();
  const notary = await testNotary(store, [alice], { clock });
  const writer = new Writer(alice);
  clock.nowMs += 60_000;
  await notary.submit(await writer.label());
  const { timeS } = notary.head;
  clock.nowMs -= 60_000;
  await notary.submit(await writer.label());
  assert.equal(notary.head.timeS, timeS);
  await assert.rejects(openNotary({ ...options, store, clock }), refused('clock-behind'));
  clock.nowMs += 60_000;
  await openNotary({ ...options, store, clock });
});

test("another notary's ledger, or one of another name, is not gone on with", async () => {
  const store = memoryLedger();
  await testNotary(store, []);
  const { signer, certificates } = bob;
  await assert.rejects(openNotary(await notaryOptions({ store, signer, certificates })), refused('identity-mismatch'));
  await assert.rejects(openNotary(await notaryOptions({ store, origin: 'other' })), refused('identity-mismatch'));
  await assert.rejects(openNotary(await notaryOptions({ certificates })), refused('identity-mismatch'));
  await assert.rejects(openNotary(await notaryOptions({ origin: '' })), refused('usage'));
});

test('a crash before the signature leaves a header that the next start signs as it is', async () => {
  const memory = ledgerMemory();
  const store = memoryLedger(memory);
  const label = await new Writer(alice).label();
  const crashing: LedgerStore = {
    ...store,
    sign(height, signature) {
      if (height > 1) throw new Error('power cut');
      return store.sign(height, signature);
    },
  };
  const notary = await testNotary(crashing, [alice]);
  await assert.rejects(notary.submit(label), /power cut/);
  await assert.rejects(notary.submit(await new Writer(alice, 2).label()), /power cut/);
  const draft = memory.blocks[2];
  assert.ok(draft && draft.signature === null);

  await using next = await testNotary(store, [alice]);
  assert.deepEqual(memory.blocks[2]?.protectedBytes, draft.protectedBytes);
  assert.equal(memory.blocks.length, 3);
  const again = await next.submit(label);
  assert.equal(again.index, 3);
  await assertProven(again, label);
});

test('a commit that fails is answered to all who wait, and nothing is taken after it', async () => {
  const store = memoryLedger();
  let broken = false;
  const failing: LedgerStore = {
    ...store,
    append(block) {
      if (broken) throw new Error('disk on fire');
      return store.append(block);
    },
  };
  const notary: Notary = await testNotary(failing, [alice], { blockEntriesMax: 2 });
  broken = true;
  const labels = await new Writer(alice).labels(5);
  const outcomes = await Promise.allSettled(labels.map((label) => notary.submit(label)));
  assert.ok(outcomes.every(({ status }) => status === 'rejected'));
  broken = false;
  await assert.rejects(notary.submit(await new Writer(alice, 2).label()), /disk on fire/);
  assert.equal((await store.head())?.treeSize, 3);
});

test('of two notaries over one ledger one wins and the other stops', async () => {
  const memory = ledgerMemory();
  const one = await testNotary(memoryLedger(memory), [alice]);
  const two = await testNotary(memoryLedger(memory), [alice]);
  const writer = new Writer(alice);
  await one.submit(await writer.label());
  const lost = await writer.label();
  await assert.rejects(two.submit(lost), refused('head-moved'));
  await assert.rejects(two.submit(lost), refused('head-moved'));
  await one.submit(lost);
  assert.equal(memory.blocks.filter(({ signature }) => signature === null).length, 0);
});

test('a ledger that does not agree with its head is not gone on with', async () => {
  const edits: Record<string, (memory: ReturnType<typeof ledgerMemory>) => void> = {
    'an entry of the last block edited': ({ entries }) => {
      const last = entries.at(-1);
      if (last) entries[entries.length - 1] = { ...last, bytes: last.bytes.with(40, 0x55) };
    },
    'a leaf hash edited': ({ entries }) => {
      const old = entries[2];
      if (old) entries[2] = { ...old, leaf: old.leaf.with(0, 1).with(1, 2) };
    },
    'the last entry gone': ({ entries }) => void entries.pop(),
    'an entry too many': ({ entries }) => void entries.push(...entries.slice(-1)),
    'the last block gone': ({ blocks }) => void blocks.pop(),
    'a signature edited': ({ blocks }) => {
      const last = blocks.at(-1);
      if (last?.signature) blocks[blocks.length - 1] = { ...last, signature: last.signature.with(5, 1).with(6, 2) };
    },
    'the head gone': (memory) => {
      memory.head = null;
    },
    'the head set back': (memory) => {
      if (memory.head) memory.head = { ...memory.head, treeSize: 3 };
    },
  };
  for (const [what, edit] of Object.entries(edits)) {
    const memory = ledgerMemory();
    const notary = await testNotary(memoryLedger(memory), [alice]);
    await notary.submitMany(await new Writer(alice).labels(4));
    await notary.close();
    edit(memory);
    await assert.rejects(testNotary(memoryLedger(memory), []), refused('ledger-broken'), what);
  }
});
