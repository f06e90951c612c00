import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeCbor } from '../../src/core/cbor.ts';
import { COSE, decodeSign1 } from '../../src/core/cose.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import { checkReceipt, encodeReceipt, type InclusionProof } from '../../src/core/ledger/receipt.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { memoryLedger } from '../../src/roles/memory-ledger.ts';
import { member, notaryOptions, testNotary, Writer } from '../support/ledger.ts';

const hasher = new TreeHasher(nodeCrypto);
const LEAF = 6;
const SIZE = 7;

/** A genuine receipt for leaf 6 of 7, taken apart. */
async function genuine() {
  const alice = await member('alice', 1);
  const notary = await testNotary(memoryLedger(), [alice]);
  const writer = new Writer(alice);
  while (notary.head.treeSize < LEAF) await notary.submitMany([await writer.label()]);
  const label = await writer.label();
  const [outcome] = await notary.submitMany([label]);
  assert.ok(outcome?.status === 'logged');
  const { receipt } = outcome.logged;
  const { protectedBytes, signature, unprotected } = decodeSign1(receipt);
  const proofs = unprotected.get(COSE.proofs) as ReadonlyMap<number, readonly Uint8Array[]>;
  const [treeSize, leafIndex, path] = decodeCbor(proofs.get(-1)?.[0] ?? assert.fail()) as [
    number,
    number,
    Uint8Array[],
  ];
  const verifier = nodeVerifier((await notaryOptions()).signer.publicKey);
  const altered = (change: Partial<InclusionProof>): Uint8Array =>
    encodeReceipt(protectedBytes, signature, { treeSize, leafIndex, path, ...change });
  const holds = async (bytes: Uint8Array): Promise<boolean> => {
    const check = checkReceipt(hasher, bytes, label);
    return await verifier.verify(check.toBeVerified, check.signature);
  };
  return { receipt, treeSize, leafIndex, path, altered, holds };
}

test('C15: a receipt altered in index or tree size, leaf 6 of 7 as 36 of 37 too: refused, and the genuine one holds', async () => {
  const { receipt, treeSize, leafIndex, path, altered, holds } = await genuine();
  assert.deepEqual([leafIndex, treeSize], [LEAF, SIZE]);
  assert.deepEqual(altered({}), receipt);
  // The same path leads there from both places, so that nothing but the signed size tells them apart.
  await assert.rejects(holds(altered({ leafIndex: 36, treeSize: 37 })), { code: 'malformed', message: /another size/ });
  for (let size = 1; size < 70; size++) {
    for (let index = 0; index < size; index++) {
      if (size === SIZE && index === LEAF) continue;
      const forged = altered({ leafIndex: index, treeSize: size });
      const isTaken = await holds(forged).catch((error: unknown) => {
        assert.equal((error as { code?: string }).code, 'malformed');
        return false;
      });
      assert.equal(isTaken, false, `leaf ${index} of ${size}`);
    }
  }
  await assert.rejects(holds(altered({ path: path.slice(1) })), { code: 'malformed' });
  assert.equal(await holds(receipt), true);
});
