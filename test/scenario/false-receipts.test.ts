import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSealwireError } from '../../src/core/errors.ts';
import { readFrame } from '../../src/core/frame/frame.ts';
import { decodeLabel } from '../../src/core/frame/label.ts';
import { encodeDeliveryReceipt, hashLabels } from '../../src/core/frame/receipt.ts';
import { draftFrame } from '../../src/core/frame/seal.ts';
import { idToTopic } from '../../src/core/identity/id.ts';
import { KIND } from '../../src/core/kinds.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import { SendingRatchet } from '../../src/core/ratchet/sending.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from '../../src/node/crypto.ts';
import { generateKey } from '../../src/node/key-files.ts';
import { openLedgerReader } from '../../src/node/sqlite-ledger.ts';
import { Outgoing } from '../../src/roles/outgoing.ts';
import { SESSION_TUNING } from '../../src/roles/session-context.ts';
import { runSealwire } from '../support/child.ts';
import { say } from '../support/messages.ts';
import { meet, Stage } from '../support/stage.ts';

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
      tuning: SESSION_TUNING,
      onEvent: () => {},
    } as unknown as ConstructorParameters<typeof Outgoing>[0],
    { ratchetId, seq: 0, chainKey: new Uint8Array(32) },
    () => assert.fail('nobody was silent'),
  );
  const payload = new Uint8Array(1);
  const until = 'sent' as const;
  await outgoing.send({ kind: KIND.message, topic: null, contentType: 42, payload, expiresAtMs: null, until });
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

test('a member that is not the reader cannot make a message look confirmed', async () => {
  await using stage = await Stage.open({ notary: true, names: ['sensor', 'operator', 'eve'] });
  const sensor = await stage.enter('sensor');
  const operator = await stage.enter('operator');
  await stage.enter('eve');
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const { near } = await meet(sensor, listening, { expect: 'operator' });
  const { logged } = await say(near, 'a reading', 'logged');
  assert.ok(logged);
  await using reader = openLedgerReader(stage.ledgerFile);
  const [entry] = await reader.entries(logged.index, 1);
  assert.ok(entry);
  const { senderId, ratchetId, seq } = decodeLabel(entry.bytes);
  const eve = stage.member('eve').identity;
  const plan = {
    ...{ kind: KIND.deliveryReceipt, senderId: eve.id, rosterName: '', topic: idToTopic(senderId), expiresAtS: null },
    ...{ issuedAtS: 1, channel: null, roster: null, head: null },
  };
  const ratchet = new SendingRatchet(nodeCrypto, { ratchetId: eve.id.slice(0, 16), seq: 0, chainKey: eve.id });
  const ranges = [[seq, seq] as const];
  const labelsHash = hashLabels(nodeCrypto, [entry.leaf]);
  const draft = draftFrame(
    nodeCrypto,
    ratchet,
    plan,
    encodeDeliveryReceipt({ senderId, ratchetId, ranges, labelsHash }),
  );
  const sealed = draft.finish(await eve.signer.sign(draft.toBeSigned));
  await stage.notary.notary.submit(sealed.label);
  const shown = await runSealwire(['--home', stage.member('notary').home, '--json', 'ledger', 'show']);
  const lines = shown.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { confirmedBy } = lines.find(({ entry: index }) => index === logged.index);
  assert.ok(
    confirmedBy.every(({ name }: { name: string }) => name === 'operator'),
    JSON.stringify(confirmedBy),
  );
});
