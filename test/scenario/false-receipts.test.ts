import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSealwireError } from '../../src/core/errors.ts';
import { readFrame } from '../../src/core/frame/frame.ts';
import { hashLabels } from '../../src/core/frame/receipt.ts';
import { KIND } from '../../src/core/kinds.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import { TUNING } from '../../src/core/limits.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from '../../src/node/crypto.ts';
import { generateKey } from '../../src/node/key-files.ts';
import { Outgoing } from '../../src/roles/outgoing.ts';

test('a delivery receipt that names another ratchet confirms nothing', async () => {
  const signer = nodeSigner(generateKey());
  const hasher = new TreeHasher(nodeCrypto);
  const sent: Uint8Array[] = [];
  const connection = {
    remote: 'nowhere',
    send: async (unit: Uint8Array) => void sent.push(unit),
    receive: () => assert.fail('an outgoing half does not read'),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const [ownId, peerId, ratchetId] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2), new Uint8Array(16)];
  const outgoing = new Outgoing(
    {
      ...{
        crypto: nodeCrypto,
        hasher,
        clock: systemClock,
        connection,
        units: connection.receive,
        ownId,
        signer,
        peerId,
      },
      verifier: nodeVerifier(signer.publicKey),
      sink: null,
      tuning: TUNING,
      onEvent: () => {},
    } as unknown as ConstructorParameters<typeof Outgoing>[0],
    { ratchetId, seq: 0, chainKey: new Uint8Array(32) },
  );
  const payload = new Uint8Array(1);
  const until = 'sent' as const;
  await outgoing.send({ kind: KIND.message, contentType: 42, payload, expiresAtMs: null, until });
  const [frame] = sent;
  assert.ok(frame);
  const labelsHash = hashLabels(nodeCrypto, [hasher.leaf(readFrame(frame).label.bytes)]);
  const receipt = { senderId: ownId, ratchetId, ranges: [[0, 0] as const], labelsHash };
  assert.throws(
    () => outgoing.confirm({ ...receipt, ratchetId: new Uint8Array(16).fill(9) }),
    (error) => isSealwireError(error, 'wrong-session'),
  );
  const finished = outgoing.finish();
  assert.equal(outgoing.settled, false);
  outgoing.confirm(receipt);
  outgoing.fail(new Error('over') as never);
  await finished;
});
