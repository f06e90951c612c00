import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { type Attacker, attack, checkpointOf, ledgerFile, verdict, verifyFile } from '../support/ledger-file.ts';

const hasher = new TreeHasher(nodeCrypto);

function flipped(bytes: unknown, at = 60): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw new Error('there is nothing to edit');
  return bytes.with(at, (bytes[at] ?? 0) ^ 1);
}

function bytesOf(attacker: Attacker, entry: number): Uint8Array {
  return attacker.get('SELECT bytes FROM entry WHERE idx = ?', entry)['bytes'] as Uint8Array;
}

test('an untouched ledger is valid, and says what it checked and what it took on trust', async (t) => {
  const file = await ledgerFile(t, 23);
  const full = await verifyFile(file.path, 'full');
  assert.equal(full.verdict, 'valid');
  assert.deepEqual([full.blocks, full.entries, full.signatures], [8, 27, 35]);
  assert.deepEqual(full.findings.gaps, { total: 0, first: [] });
  assert.match(full.onTrust.join(' '), /the ledger's own word: no notary is pinned/);
  const fast = await verifyFile(file.path, 'fast');
  assert.deepEqual([fast.verdict, fast.entries, fast.signatures], ['valid', 27, 8]);
  assert.match(fast.onTrust.join(' '), /Senders' signatures were not verified/);

  const pin = full.notaryId;
  assert.ok(pin && full.checkpoint);
  const pinned = await verifyFile(file.path, 'full', { pin });
  assert.doesNotMatch(pinned.onTrust.join(' '), /own word: no notary/);
  await file.withNotary(async (notary) => notary.submitMany(await file.writer.labels(7)));
  const later = await verifyFile(file.path, 'incremental', { pin, checkpoint: full.checkpoint });
  assert.equal(later.verdict, 'valid');
  assert.deepEqual([later.firstEntry, later.entries, later.blocks], [27, 7, 2]);
  assert.match(later.onTrust.join(' '), /Entries 0 to 26 were not read again/);
  assert.equal(later.checkpoint?.treeSize, 34);
});

test('C2 the last entries cut off: noticed by head and block, and by a checkpoint when they are cut too', async (t) => {
  const file = await ledgerFile(t, 23);
  const checkpoint = await checkpointOf(file.path);

  const crude = file.copy();
  attack(crude, ({ run }) => run('DELETE FROM entry WHERE idx >= 24'));
  for (const mode of ['full', 'fast'] as const) {
    assert.equal(await verdict(crude, mode), 'ledger-broken: block 7, entry 24: it is missing');
  }
  const missing = 'ledger-broken: block 7: it is missing: the blocks before it hold 24 entries, the head says 27';
  const withBlock = file.copy();
  attack(withBlock, ({ run }) => {
    run('DELETE FROM entry WHERE idx >= 24');
    run('DELETE FROM block WHERE height >= 7');
  });
  for (const mode of ['full', 'fast'] as const) {
    assert.equal(await verdict(withBlock, mode), missing);
  }
  const clean = file.copy();
  attack(clean, ({ run }) => {
    run('DELETE FROM entry WHERE idx >= 24');
    run('DELETE FROM block WHERE height >= 7');
    run('UPDATE head SET height = 6, size = 24, root = (SELECT root FROM block WHERE height = 6)');
  });
  // Who knows no later head cannot know: this very ledger did exist.
  assert.equal(await verdict(clean, 'full'), 'valid');
  for (const mode of ['full', 'fast', 'incremental'] as const) {
    const expected = 'checkpoint-mismatch: cut off: the ledger has 24 entries, the checkpoint says 27';
    assert.equal(await verdict(clean, mode, { checkpoint }), expected);
  }
  assert.equal(await verdict(file.path, 'incremental', { checkpoint }), 'valid');
});

test('C2 the signature of the last blocks taken away does not pass for a whole ledger', async (t) => {
  const file = await ledgerFile(t, 23);
  const checkpoint = await checkpointOf(file.path);
  attack(file.path, ({ run }) => run('UPDATE block SET signature = NULL WHERE height = 7'));
  const report = await verifyFile(file.path, 'full');
  assert.equal(report.unsignedBlock, 7);
  assert.equal(report.head?.treeSize, 24);
  assert.match(report.onTrust.join(' '), /Block 7 is not signed yet/);
  const cut = 'checkpoint-mismatch: cut off: the ledger has 24 entries, the checkpoint says 27';
  assert.equal(await verdict(file.path, 'full', { checkpoint }), cut);
  attack(file.path, ({ run }) => run('UPDATE block SET signature = NULL WHERE height = 6'));
  assert.equal(await verdict(file.path, 'fast'), 'ledger-broken: block 6: it is not signed');
});

test('C3 the last block edited: entry, leaf, root, header or signature', async (t) => {
  const file = await ledgerFile(t, 23);
  const edits: [string, (attacker: Attacker) => void][] = [
    [
      'block 7, entry 26: stored bytes no longer hash to its leaf',
      (a) => a.run('UPDATE entry SET bytes = ? WHERE idx = 26', flipped(bytesOf(a, 26))),
    ],
    [
      'block 7, entry 26: stored bytes no longer hash to its leaf',
      (a) => a.run('UPDATE entry SET leaf = ? WHERE idx = 26', new Uint8Array(32)),
    ],
    [
      'block 7: its entries do not hash to the root that is kept with it',
      (a) => a.run('UPDATE block SET root = ? WHERE height = 7', new Uint8Array(32)),
    ],
    [
      "block 7: the notary's signature does not hold",
      ({ run, get }) => {
        const { signature } = get('SELECT signature FROM block WHERE height = 7');
        run('UPDATE block SET signature = ? WHERE height = 7', flipped(signature, 9));
      },
    ],
    [
      // A second of its time.
      "block 7: the notary's signature does not hold",
      ({ run, get }) => {
        const header = get('SELECT header FROM block WHERE height = 7')['header'] as Uint8Array;
        const at = header.findIndex((byte, i) => byte === 0x06 && header[i + 1] === 0x1a) + 5;
        run('UPDATE block SET header = ? WHERE height = 7', flipped(header, at));
      },
    ],
    [
      'block 7: its header is that of block 6',
      (a) => a.run('UPDATE block SET header = (SELECT header FROM block WHERE height = 6) WHERE height = 7'),
    ],
    ['block 7: the head differs from it', (a) => a.run('UPDATE head SET root = ?', new Uint8Array(32))],
    [
      'entry 27: it follows the last block and belongs to none',
      (a) =>
        a.run('INSERT INTO entry (idx, kind, leaf, bytes) VALUES (27, 1, ?, ?)', new Uint8Array(32), bytesOf(a, 26)),
    ],
  ];
  for (const [expected, edit] of edits) {
    const path = file.copy();
    attack(path, edit);
    for (const mode of ['full', 'fast'] as const) assert.equal(await verdict(path, mode), `ledger-broken: ${expected}`);
  }
});

test('C4 an edit behind the checkpoint: incremental says what it did not read, full and fast name it', async (t) => {
  const file = await ledgerFile(t, 23);
  const checkpoint = await checkpointOf(file.path);
  await file.withNotary(async (notary) => notary.submitMany(await file.writer.labels(5)));
  attack(file.path, (a) => a.run('UPDATE entry SET bytes = ? WHERE idx = 10', flipped(bytesOf(a, 10))));
  const incremental = await verifyFile(file.path, 'incremental', { checkpoint });
  assert.equal(incremental.verdict, 'valid');
  assert.match(incremental.onTrust.join(' '), /Entries 0 to 26 were not read again: a change behind .* is not seen/);
  for (const mode of ['full', 'fast'] as const) {
    assert.match(await verdict(file.path, mode, { checkpoint }), /^ledger-broken: block 4, entry 10: stored bytes/);
  }
});

test('C12 stored bytes altered under an unchanged hash column, at any place', async (t) => {
  const file = await ledgerFile(t, 12);
  for (let entry = 0; entry < 16; entry++) {
    const path = file.copy();
    attack(path, (a) => a.run('UPDATE entry SET bytes = ? WHERE idx = ?', flipped(bytesOf(a, entry)), entry));
    const expected = new RegExp(`^ledger-broken: block \\d+, entry ${entry}: stored bytes no longer hash to its leaf$`);
    assert.match(await verdict(path, 'fast'), expected);
    assert.match(await verdict(path, 'full'), expected);
  }
});

test('C12 bytes and hash column altered together: the block, and in full the entry, are named', async (t) => {
  const file = await ledgerFile(t, 12);
  attack(file.path, (a) => {
    const bytes = flipped(bytesOf(a, 10), bytesOf(a, 10).length - 40);
    a.run('UPDATE entry SET bytes = ?, leaf = ? WHERE idx = 10', bytes, hasher.leaf(bytes));
  });
  assert.equal(await verdict(file.path, 'full'), 'ledger-broken: block 4, entry 10: its signature does not hold');
  const root = 'ledger-broken: block 4: its entries do not hash to the root that is kept with it';
  assert.equal(await verdict(file.path, 'fast'), root);
});

test('an edit, a deletion or a rehash in the middle breaks a named block', async (t) => {
  const file = await ledgerFile(t, 23);
  const edits: [string, (attacker: Attacker) => void][] = [
    ['block 4, entry 11: it is missing', (a) => a.run('DELETE FROM entry WHERE idx = 11')],
    [
      'block 4: it is missing: the blocks before it hold 9 entries, the head says 27',
      (a) => a.run('DELETE FROM block WHERE height = 4'),
    ],
    [
      'block 4, entry 9: stored bytes no longer hash to its leaf',
      (a) => {
        const [one, other] = [bytesOf(a, 9), bytesOf(a, 10)];
        a.run('UPDATE entry SET bytes = ? WHERE idx = 9', other);
        a.run('UPDATE entry SET bytes = ? WHERE idx = 10', one);
      },
    ],
    ['block 0, entry 0: it is missing', (a) => a.run('DELETE FROM entry WHERE idx = 0')],
    [
      'block 0: it is missing: the blocks before it hold 0 entries, the head says 27',
      (a) => a.run('DELETE FROM block'),
    ],
    ['it has entries but no head', (a) => a.run('DELETE FROM head')],
  ];
  for (const [expected, edit] of edits) {
    const path = file.copy();
    attack(path, edit);
    assert.equal(await verdict(path, 'fast'), `ledger-broken: ${expected}`);
  }
});

test('a kept tree node altered is found, for proofs would fail by it', async (t) => {
  const file = await ledgerFile(t, 300);
  assert.equal(await verdict(file.path, 'fast'), 'valid');
  attack(file.path, ({ run }) => run('UPDATE node SET hash = ? WHERE level = 8 AND idx = 0', new Uint8Array(32)));
  assert.match(await verdict(file.path, 'fast'), /kept tree node 0 of level 8 is not what its entries hash to/);
});
