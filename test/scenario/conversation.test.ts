import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Middle } from '../../src/apps/middle.ts';
import { addPin, removeTrust, type TrustList } from '../../src/core/identity/trust.ts';
import { KIND } from '../../src/core/kinds.ts';
import { FRAME_BYTES_MAX, LABEL_BYTES_MAX } from '../../src/core/limits.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { openHome, readTrust, writeTrust } from '../../src/node/home.ts';
import type { Session } from '../../src/roles/session.ts';
import { refusalOf } from '../support/attacker.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { hear, hearAll, numbered, say } from '../support/messages.ts';
import { type Actor, converse, type Meeting, meet, Stage } from '../support/stage.ts';
import { standstill } from '../support/turns.ts';

test('a sensor reports, an operator commands, the notary logs, everybody closes, the ledger verifies', async () => {
  await using stage = await Stage.open({ notary: true });
  const operator = await stage.enter('operator');
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const sensor = await stage.enter('sensor');
  const { near, far } = await meet(sensor, listening, { expect: 'operator' });
  assert.deepEqual([near.peer.name, far.peer.name], ['operator', 'sensor']);
  assert.deepEqual(near.id, far.id);

  const commanding = (async () => {
    const heard: string[] = [];
    for await (const { payload } of far) {
      const report = new TextDecoder().decode(payload);
      heard.push(report);
      if (report === 'temperature 80') await say(far, 'open valve 7', 'logged');
    }
    return heard;
  })();
  const reports = ['temperature 20', 'temperature 50', 'temperature 80'];
  for (const report of reports) await say(near, report, 'delivered');
  assert.deepEqual(await hear(near, 1), ['open valve 7']);
  const { logged } = await say(near, 'valve 7 is open', 'logged');
  assert.ok(logged && logged.receipt.length > 0);
  await near.close();
  assert.deepEqual(await commanding, [...reports, 'valve 7 is open']);
  assert.deepEqual(await hearAll(near), []);
  await sensor.peer.close();
  await operator.peer.close();
  await stage.stopNotary();

  const labels = await readLedger(stage);
  const kinds = (id: Uint8Array): number[] =>
    labels
      .by(id)
      .filter(({ kind }) => kind !== KIND.deliveryReceipt)
      .map(({ kind }) => kind);
  const { message, end } = KIND;
  assert.deepEqual(kinds(sensor.member.identity.id), [message, message, message, message, end]);
  assert.deepEqual(kinds(operator.member.identity.id), [message, end]);
  for (const { member, events } of [sensor, operator]) {
    assert.deepEqual(labels.unconfirmed(member.identity.id), []);
    assert.deepEqual([events.codes(), events.codes('not-logged'), events.codes('notary-trouble')], [[], [], []]);
  }
});

test('the notary goes away and comes back: the conversation goes on and nothing is lost from the ledger', async () => {
  await using stage = await Stage.open({ notary: true });
  // Ports are not kept while nobody listens: the notary comes back elsewhere, behind the same address.
  let notaryAddress = stage.notary.address;
  const { address } = stage.keep(await Middle.start(() => notaryAddress));
  const operator = await stage.enter('operator', {}, address);
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const sensor = await stage.enter('sensor', {}, address);
  const { near, far } = await meet(sensor, listening, { expect: 'operator' });
  await say(near, 'before', 'logged');
  await stage.stopNotary();
  // Messages are not held up; only their receipts are.
  for (const text of numbered(5)) await say(near, text, 'delivered');
  const waiting = say(near, 'during', 'logged');
  assert.deepEqual(await hear(far, 7), ['before', ...numbered(5), 'during']);
  await sensor.events.first('notary-trouble');

  notaryAddress = (await stage.startNotary()).address;
  assert.ok((await waiting).logged);
  await say(near, 'after', 'logged');
  await Promise.all([near.close(), far.close()]);
  await sensor.peer.close();
  await operator.peer.close();
  const labels = await readLedger(stage);
  const seqs = labels.by(sensor.member.identity.id).map(({ seq }) => seq);
  assert.deepEqual(
    seqs.toSorted((a, b) => a - b),
    seqs.map((_, i) => i),
    'every seq stands in the ledger, once',
  );
  assert.equal(labels.by(sensor.member.identity.id).filter(({ kind }) => kind === KIND.message).length, 8);
  for (const { member, events } of [sensor, operator]) {
    assert.deepEqual(labels.unconfirmed(member.identity.id), []);
    assert.deepEqual(events.codes('not-logged'), []);
  }
});

test('trust is taken back: the session that there is ends as it likes, the next one is refused', async () => {
  await using talk = await converse();
  const { near, far, sensor, operator, again } = talk;
  const home = await openHome(operator.member.home);
  await writeTrust(home, removeTrust(await readTrust(home), 'sensor'));
  await say(near, 'a last word', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['a last word']);

  const refused = await refusalOf(sensor.peer.dial(talk.listening.address, { expect: 'operator' }));
  assert.equal(refused.code, 'handshake-failed');
  assert.equal((await operator.events.first('handshake-refused')).error.code, 'identity-unknown');
  // The other way round it is the one who dials that refuses.
  const listening = await sensor.peer.listen('tcp://127.0.0.1:0');
  const unwanted = await refusalOf(operator.peer.dial(listening.address, { expect: 'sensor' }));
  assert.equal(unwanted.code, 'identity-unknown');

  await writeTrust(home, await trustAgain(operator, sensor));
  const fresh = await again();
  await say(fresh.near, 'friends again', 'delivered');
  await Promise.all([fresh.near.close(), fresh.far.close()]);
});

async function trustAgain(own: Actor, other: Actor): Promise<TrustList> {
  const trust = await readTrust(await openHome(own.member.home));
  return addPin(trust, { name: other.member.name, id: other.member.identity.id });
}

test('a peer restarts: the other one notices, and a new session has new keys', async () => {
  await using talk = await converse({ notary: true });
  const { near, far, sensor, stage, listening } = talk;
  await say(near, 'before the restart', 'delivered');
  await sensor.peer.close();
  assert.deepEqual(await hearAll(far), ['before the restart']);

  const restarted = await stage.enter('sensor');
  const next = await meet(restarted, listening, { expect: 'operator' });
  assert.notDeepEqual(next.near.id, near.id);
  assert.deepEqual(next.far.peer.id, sensor.member.identity.id);
  assert.equal((await say(next.near, 'after the restart', 'delivered')).seq, 0);
  await Promise.all([next.near.close(), next.far.close()]);
  assert.deepEqual(await hearAll(next.far), ['after the restart']);
});

test('a peer that dies without a word: the other one is told that the stream was cut, and takes it back', async () => {
  await using talk = await converse();
  const { near, far, middle, again } = talk;
  await say(near, 'still alive', 'delivered');
  await middle.cut();
  assert.deepEqual(await hear(far, 1), ['still alive']);
  assert.equal((await refusalOf(hearAll(far))).code, 'stream-cut');
  await near.over;
  const next = await again();
  await say(next.near, 'alive again', 'delivered');
  await Promise.all([next.near.close(), next.far.close()]);
  assert.deepEqual(await hearAll(next.far), ['alive again']);
});

test('two peers dial each other at once: both sessions live, each with keys of its own', async () => {
  await using stage = await Stage.open();
  const [sensor, operator] = [await stage.enter('sensor'), await stage.enter('operator')];
  const atSensor = await sensor.peer.listen('tcp://127.0.0.1:0');
  const atOperator = await operator.peer.listen('tcp://127.0.0.1:0');
  const [outward, inward]: Meeting[] = await Promise.all([
    meet(sensor, atOperator, { expect: 'operator' }),
    meet(operator, atSensor, { expect: 'sensor' }),
  ]);
  assert.ok(outward && inward);
  assert.notDeepEqual(outward.near.id, inward.near.id);
  await Promise.all(
    [outward, inward].map(async ({ near, far }, i) => {
      await say(near, `call ${i}`, 'delivered');
      await say(far, `answer ${i}`, 'delivered');
      await Promise.all([near.close(), far.close()]);
      assert.deepEqual(await hearAll(far), [`call ${i}`]);
      assert.deepEqual(await hearAll(near), [`answer ${i}`]);
    }),
  );
});

test('1 000 messages both ways at once arrive once and in order, and all of them are in the ledger', async () => {
  await using talk = await converse({ notary: true, tuning: { batchMax: 16 } });
  const { near, far, sensor, operator, stage } = talk;
  const exchange = async (session: Session, own: string, other: string): Promise<void> => {
    const sent = numbered(1000, own).map((text) => say(session, text, 'delivered'));
    assert.deepEqual(await hear(session, 1000), numbered(1000, other));
    const ns = (await Promise.all(sent)).map(({ n }) => n);
    assert.deepEqual(
      ns,
      ns.map((_, i) => i),
    );
  };
  await Promise.all([exchange(near, 'report', 'command'), exchange(far, 'command', 'report')]);
  await Promise.all([near.close(), far.close()]);
  await sensor.peer.close();
  await operator.peer.close();
  const labels = await readLedger(stage);
  for (const { member, events } of [sensor, operator]) {
    const { id } = member.identity;
    assert.deepEqual(labels.unconfirmed(id), []);
    assert.ok(labels.by(id).filter(({ kind }) => kind === KIND.message).length >= 1000 / 16);
    assert.deepEqual([events.codes(), events.of('gap')], [[], []]);
  }
});

test('a message near the bound goes through whole; one over it is refused before anything is sent', async () => {
  await using talk = await converse();
  const { near, far } = talk;
  // What a label, its framing and the message's own head may take.
  const largestBytes = FRAME_BYTES_MAX - LABEL_BYTES_MAX - 64;
  const payload = nodeCrypto.random(largestBytes);
  const sent = near.send(payload, { until: 'delivered' });
  const { value } = await far[Symbol.asyncIterator]().next();
  assert.deepEqual(value?.payload, payload);
  await sent;
  const refused = await refusalOf(near.send(nodeCrypto.random(FRAME_BYTES_MAX - LABEL_BYTES_MAX)));
  assert.equal(refused.code, 'too-large');
  await say(near, '', 'delivered');
  assert.deepEqual(await hear(far, 1), [''], 'an empty one is a message too');
  await Promise.all([near.close(), far.close()]);
});

test('a slow reader holds its sender back, gets everything in the end, and loses nothing', async () => {
  const tuning = {
    batchMax: 4,
    receiveQueueMessagesMax: 8,
    sendQueueMessagesMax: 16,
    windowFramesMax: 4,
    receiptDelayMs: 1,
  };
  await using talk = await converse({ tuning });
  const { near, far, operator } = talk;
  let accepted = 0;
  const sending = (async () => {
    for (const text of numbered(400)) {
      await say(near, text);
      accepted += 1;
    }
  })();
  // Nobody reads: what fits into queues and window is taken, then no more.
  await standstill(() => accepted);
  assert.ok(accepted < 100, `${accepted} were taken`);
  const messages = far[Symbol.asyncIterator]();
  for (let n = 0; n < 400; n++) {
    const { value } = await messages.next();
    assert.equal(value?.n, n);
  }
  await sending;
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(operator.events.of('gap'), []);
});

for (const sendQueueMessagesMax of [1000, 16]) {
  test(`closing while much is still under way delivers all of it (queue of ${sendQueueMessagesMax})`, async () => {
    await using talk = await converse({ tuning: { batchMax: 8, sendQueueMessagesMax } });
    const { near, far } = talk;
    const sent = numbered(300).map((text) => say(near, text));
    const closing = near.close();
    assert.deepEqual(await hearAll(far), numbered(300));
    await Promise.all([...sent, closing]);
    assert.equal((await refusalOf(say(near, 'too late'))).code, 'session-closed');
  });
}
