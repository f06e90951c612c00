import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesToHex, hexToBytes } from '../../src/core/bytes.ts';
import { nobleCrypto, nobleVerifier } from '../../src/core/crypto/noble.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { SealwireError } from '../../src/core/errors.ts';
import {
  type Block,
  blockLink,
  blockToBeSigned,
  decodeBlockHeader,
  encodeBlockHeader,
} from '../../src/core/ledger/block.ts';
import { checkpointFromJson, checkpointToJson } from '../../src/core/ledger/checkpoint.ts';
import { decodeEntry } from '../../src/core/ledger/entry.ts';
import { CompactRange, inclusionRoot, isConsistent, TreeHasher } from '../../src/core/ledger/merkle.ts';
import { checkReceipt } from '../../src/core/ledger/receipt.ts';
import { LedgerWalk } from '../../src/core/ledger/verify.ts';
import type { VerifierFactory } from '../../src/core/ports.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import type { LedgerVectors } from '../../tools/vectors/ledger.ts';

const file = new URL('../../vectors/6-ledger.json', import.meta.url);
const { tree, ledger, receipts } = JSON.parse(readFileSync(file, 'utf8')) as LedgerVectors;
const entries = ledger.entries.map(({ bytes }) => hexToBytes(bytes));
const notaryKey = hexToBytes(ledger.notary.publicKey);
const implementations: [string, Crypto, VerifierFactory][] = [
  ['noble', nobleCrypto, nobleVerifier],
  ['node', nodeCrypto, nodeVerifier],
];

for (const [name, crypto, verifierOf] of implementations) {
  const hasher = new TreeHasher(crypto);
  const hashes = (list: readonly string[]): Uint8Array[] => list.map((hash) => hexToBytes(hash));

  test(`the tree with ${name}`, () => {
    const range = new CompactRange(hasher);
    assert.equal(bytesToHex(range.root()), tree.roots[0]);
    tree.leaves.forEach((leaf, i) => {
      const hash = hasher.leaf(hexToBytes(leaf));
      assert.equal(bytesToHex(hash), tree.leafHashes[i]);
      range.append(hash);
      assert.equal(bytesToHex(range.root()), tree.roots[i + 1]);
    });
    const [leaves, roots] = [hashes(tree.leafHashes), hashes(tree.roots)];
    for (const { index, size, path } of tree.inclusion) {
      assert.deepEqual(
        inclusionRoot(hasher, leaves[index] ?? new Uint8Array(0), index, size, hashes(path)),
        roots[size],
      );
    }
    for (const { first, second, path } of tree.consistency) {
      const [before, after] = [roots[first], roots[second]];
      assert.ok(before && after && isConsistent(hasher, first, second, before, after, hashes(path)));
    }
  });

  test(`entries with ${name}`, async () => {
    for (const [i, vector] of ledger.entries.entries()) {
      const bytes = entries[i] ?? new Uint8Array(0);
      const entry = decodeEntry(bytes);
      assert.ok(entry.type !== 'roster');
      const { toBeVerified, signature } = entry.type === 'label' ? entry.label : entry.statement;
      assert.equal(bytesToHex(hasher.leaf(bytes)), vector.leafHash);
      assert.deepEqual([bytesToHex(toBeVerified), bytesToHex(signature)], [vector.toBeVerified, vector.signature]);
      assert.ok(await verifierOf(hexToBytes(vector.publicKey)).verify(toBeVerified, signature));
    }
  });

  test(`blocks with ${name}`, async () => {
    for (const vector of ledger.blocks) {
      const protectedBytes = hexToBytes(vector.header);
      const root = hexToBytes(vector.root);
      const header = decodeBlockHeader(protectedBytes);
      assert.equal(bytesToHex(encodeBlockHeader(header)), vector.header);
      const { height, timeS, previous, firstIndex, treeSize } = header;
      const fields = { height, timeS, previous: previous && bytesToHex(previous), firstIndex, treeSize };
      assert.deepEqual({ ...vector, ...fields }, vector);
      const toBeSigned = blockToBeSigned(protectedBytes, root);
      assert.equal(bytesToHex(toBeSigned), vector.toBeSigned);
      assert.equal(bytesToHex(blockLink(crypto, { protectedBytes, root })), vector.link);
      assert.ok(await verifierOf(notaryKey).verify(toBeSigned, hexToBytes(vector.signature)));
    }
  });

  test(`receipts with ${name}`, async () => {
    const errorOf = async (receipt: Uint8Array, entry: Uint8Array): Promise<string | null> => {
      try {
        const { toBeVerified, signature } = checkReceipt(hasher, receipt, entry);
        return (await verifierOf(notaryKey).verify(toBeVerified, signature)) ? null : 'signature-invalid';
      } catch (error) {
        return error instanceof SealwireError ? error.code : 'internal';
      }
    };
    for (const { what, entry, receipt, error } of receipts) {
      assert.equal(await errorOf(hexToBytes(receipt), entries[entry] ?? new Uint8Array(0)), error, what);
    }
  });

  test(`C11 the ledger that noble wrote verifies with ${name}, to the same checkpoint`, async () => {
    const walk = new LedgerWalk(crypto, { mode: 'full', pin: hexToBytes(ledger.notary.id), checkpoint: null });
    for (const { header, root, signature } of ledger.blocks) {
      const block: Block = {
        protectedBytes: hexToBytes(header),
        root: hexToBytes(root),
        signature: hexToBytes(signature),
      };
      const open = walk.block(block);
      assert.ok(open);
      const stored = entries.slice(open.nextIndex, open.nextIndex + open.left).map((bytes) => {
        return { bytes, leaf: hasher.leaf(bytes) };
      });
      for (const check of open.take(stored)) {
        const held = await verifierOf(check.publicKey).verify(check.toBeVerified, check.signature);
        if (!held) walk.refuse(check);
      }
    }
    const last = ledger.blocks.at(-1);
    assert.ok(last);
    const head = { height: last.height, treeSize: last.treeSize, root: hexToBytes(last.root) };
    const { verdict, broken, checkpoint, findings } = walk.finish(head, false);
    assert.deepEqual([verdict, broken], ['valid', null]);
    assert.equal(findings.conflicts.total, 1);
    assert.ok(checkpoint);
    assert.deepEqual(JSON.parse(checkpointToJson(crypto, checkpoint)), ledger.checkpoint);
    assert.deepEqual(checkpointFromJson(crypto, JSON.stringify(ledger.checkpoint)), checkpoint);
  });
}
