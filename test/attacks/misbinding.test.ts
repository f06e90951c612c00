import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Middle } from '../../src/apps/middle.ts';
import { encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { encodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { addPin } from '../../src/core/identity/trust.ts';
import { KIND } from '../../src/core/kinds.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { openHome, readTrust, writeTrust } from '../../src/node/home.ts';
import { dialTcp } from '../../src/node/tcp.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import { drain, HANDSHAKE_CODES, refusalOf, roguePeer, trap } from '../support/attacker.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { hear, hearAll, say, sayAll } from '../support/messages.ts';
import { Recording } from '../support/recorded.ts';
import { type Approach, approach, converse, type Member, meet } from '../support/stage.ts';

const WITH_MALLORY = ['sensor', 'operator', 'mallory'] as const;

/** Somebody who shows the certificate of `victim` and signs with the key of `thief`. */
function stolenFace(victim: Member, thief: Member): OwnIdentity {
  const { name, id, certificates } = victim.identity;
  return { name, id, certificates, signer: thief.identity.signer };
}

async function honestSession({ again }: Approach): Promise<void> {
  const { near, far } = await again();
  await say(near, 'honest', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['honest']);
}

test('N12: a trusted insider who presents the certificate of another as Initiator is refused', async () => {
  await using talk = await approach({ names: WITH_MALLORY });
  const { stage, listening, operator } = talk;
  const mallory = roguePeer(stolenFace(stage.member('sensor'), stage.member('mallory')), stage.members);
  const refused = await refusalOf(mallory.open(await dialTcp(listening.address), 'operator'));
  assert.equal(refused.code, 'handshake-failed');
  assert.equal((await operator.events.first('handshake-refused')).error.code, 'signature-invalid');
  await honestSession(talk);
});

test('N12: a trusted insider who presents the certificate of another as Responder is refused', async () => {
  await using talk = await approach({ names: WITH_MALLORY });
  const { stage, sensor } = talk;
  const mallory = roguePeer(stolenFace(stage.member('operator'), stage.member('mallory')), stage.members);
  const answer = Promise.withResolvers<unknown>();
  answer.promise.catch(() => {});
  await using lure = await trap(async (connection) => {
    const answering = mallory.answer(connection);
    answering.then(answer.resolve, answer.reject);
    await answering;
  });
  const refused = await refusalOf(sensor.peer.dial(lure.address, { expect: 'operator' }));
  assert.equal(refused.code, 'signature-invalid');
  assert.equal((await refusalOf(answer.promise)).code, 'handshake-failed');
  await honestSession(talk);
});

test('N12: a session that was meant for one peer and is led to another comes to nothing', async () => {
  const recording = new Recording();
  await using talk = await approach({ names: WITH_MALLORY, meddle: recording.meddle });
  const { sensor, operator, middle } = talk;
  // The sensor wants mallory, who hands its handshake on to the operator, word for word.
  const refused = await refusalOf(sensor.peer.dial(middle.address, { expect: 'mallory' }));
  assert.equal(refused.code, 'identity-mismatch');
  assert.equal((await operator.events.first('handshake-refused')).error.code, 'handshake-failed');
  assert.equal(recording.frames('out').length, 0);
  await honestSession(talk);
});

test('N12: frames that a victim signed for mallory are worth nothing in any other session', async () => {
  await using talk = await converse({ notary: true, names: WITH_MALLORY });
  const { stage, sensor, operator, listening, middle, near, far } = talk;
  // The sensor talks to mallory, who keeps its signed frames.
  const mallory = await stage.enter('mallory');
  const hers = await mallory.peer.listen('tcp://127.0.0.1:0');
  const recording = new Recording();
  const tap = stage.keep(await Middle.start(hers.address, recording.meddle));
  const meant = await meet(sensor, hers, { address: tap.address, expect: 'mallory' });
  await sayAll(meant.near, ['I owe you 100']);
  assert.deepEqual(await hear(meant.far, 1), ['I owe you 100']);
  await Promise.all([meant.near.close(), meant.far.close()]);
  const [[message], [end]] = [recording.frames('out', KIND.message), recording.frames('out', KIND.end)];
  const receipts = recording.frames('out', KIND.deliveryReceipt);
  assert.ok(message && end);

  // Into the sensor's own session with the operator.
  for (const frame of [message, end, ...receipts]) await middle.inject(frame, 'out', 0);
  const first = await operator.events.atLeast(2 + receipts.length, 'refused');
  assert.deepEqual(new Set(first.map(({ error }) => error.code)), new Set(['wrong-recipient']));

  // Into a session of her own with the operator.
  const line = stage.keep(await Middle.start(listening.address));
  const own = await meet(mallory, listening, { address: line.address, expect: 'operator' });
  for (const frame of [message, end]) await line.inject(frame, 'out', 0);
  const all = await operator.events.atLeast(first.length + 2, 'refused');
  assert.deepEqual(new Set(all.slice(first.length).map(({ error }) => error.code)), new Set(['sender-unknown']));

  await say(near, 'from the sensor', 'delivered');
  await say(own.near, 'from mallory', 'delivered');
  await Promise.all([near.close(), far.close(), own.near.close(), own.far.close()]);
  assert.deepEqual(await hearAll(far), ['from the sensor']);
  assert.deepEqual(await hearAll(own.far), ['from mallory']);
  for (const { peer } of [sensor, mallory, operator]) await peer.close();
  // In the ledger the frame stands once, with whom it was meant for.
  const labels = (await readLedger(stage)).by(sensor.member.identity.id);
  const messages = labels.filter(({ kind }) => kind === KIND.message);
  assert.equal(messages.length, 2);
  assert.notEqual(messages[0]?.topic, messages[1]?.topic);
});

test('also kept: a peer’s own frames reflected to it are refused', async () => {
  const recording = new Recording();
  await using talk = await converse({ meddle: recording.meddle });
  const { near, far, middle, sensor, operator } = talk;
  await say(near, 'to the operator', 'delivered');
  await say(far, 'to the sensor', 'delivered');
  const [out, back] = [recording.frames('out'), recording.frames('back')];
  for (const frame of out) await middle.inject(frame, 'back', 0);
  for (const frame of back) await middle.inject(frame, 'out', 0);
  await sensor.events.atLeast(out.length, 'refused');
  await operator.events.atLeast(back.length, 'refused');
  for (const { events } of [sensor, operator]) assert.deepEqual(new Set(events.codes()), new Set(['sender-unknown']));
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['to the operator']);
  assert.deepEqual(await hearAll(near), ['to the sensor']);
});

test('also kept: a handshake reflected to its sender comes to nothing', async () => {
  await using talk = await approach();
  const { sensor } = talk;
  await using mirror = await trap(async (connection) => {
    for await (const unit of connection.receive()) await connection.send(unit);
  });
  const refused = await refusalOf(sensor.peer.dial(mirror.address, { expect: 'operator' }));
  assert.ok(HANDSHAKE_CODES.has(refused.code), refused.code);

  // The sensor listens too; whoever leads its own call back to it gets it nowhere.
  const own = await sensor.peer.listen('tcp://127.0.0.1:0');
  await using loop = await Middle.start(own.address);
  const looped = await refusalOf(sensor.peer.dial(loop.address, { expect: 'operator' }));
  assert.equal(looped.code, 'key-changed');
  assert.equal((await sensor.events.first('handshake-refused')).error.code, 'handshake-failed');
  // Nor where it would trust itself, as it does with a common authority.
  const { name, home, identity } = sensor.member;
  const trust = await readTrust(await openHome(home));
  await writeTrust(await openHome(home), addPin(trust, { name, id: identity.id }));
  const trusted = await refusalOf(sensor.peer.dial(loop.address, { expect: name }));
  assert.equal(trusted.code, 'identity-mismatch');
  await sensor.events.atLeast(2, 'handshake-refused');
  assert.deepEqual(sensor.events.codes('handshake-refused'), ['handshake-failed', 'handshake-failed']);
  await honestSession(talk);
});

test('also kept: the Responder’s own answer sent back to it as message_3 is refused', async () => {
  await using talk = await approach();
  const { listening, operator } = talk;
  const { publicX } = nodeCrypto.generateEphemeral();
  const message = encodeMessage1({ method: 0, suites: [5], publicX, connectionId: nodeCrypto.random(8) });
  await using connection = await dialTcp(listening.address);
  await connection.send(encodeEnvelope({ connectionId: null, message }));
  const { value: second } = await connection.receive().next();
  assert.ok(second);
  await connection.send(second);
  await drain(connection);
  const { error } = await operator.events.first('handshake-refused');
  assert.ok(HANDSHAKE_CODES.has(error.code), error.code);
  await honestSession(talk);
});
