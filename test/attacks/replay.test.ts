import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Direction, labelIn, Middle } from '../../src/apps/middle.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { decodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { KIND } from '../../src/core/kinds.ts';
import { drain, HANDSHAKE_CODES, refusalOf, throwAt, trap } from '../support/attacker.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { hear, hearAll, numbered, say, sayAll } from '../support/messages.ts';
import { Recording } from '../support/recorded.ts';
import { type Approach, approach, converse, type Meeting, meet, Stage } from '../support/stage.ts';

test('N3: what the middle replays in the same session is refused, delivered once and logged once', async () => {
  const twice = new Recording((unit) => (labelIn(unit) ? [unit, unit] : [unit]));
  await using talk = await converse({ notary: true, tuning: { batchMax: 1 }, meddle: twice.meddle });
  const { near, far, sensor, operator, middle, stage } = talk;
  await sayAll(near, numbered(5));
  assert.deepEqual(await hear(far, 5), numbered(5));
  await operator.events.atLeast(5, 'refused');
  assert.deepEqual(new Set(operator.events.codes()), new Set(['replayed']));

  // Long after, and in another order.
  const recorded = twice.frames('out', KIND.message);
  assert.equal(recorded.length, 5);
  for (const frame of recorded.toReversed()) await middle.inject(frame, 'out', 0);
  await say(near, 'honest', 'delivered');
  assert.deepEqual(await hear(far, 1), ['honest']);
  await operator.events.atLeast(11, 'refused');
  assert.deepEqual(new Set(operator.events.codes()), new Set(['replayed']));

  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), []);
  await sensor.peer.close();
  await operator.peer.close();
  const labels = (await readLedger(stage)).by(sensor.member.identity.id);
  assert.deepEqual(
    labels.filter(({ kind }) => kind === KIND.message).map(({ seq }) => seq),
    [0, 1, 2, 3, 4, 5],
  );
});

test('N3: labels that are replayed on the way to the notary are logged once', async () => {
  await using stage = await Stage.open({ notary: true });
  const twice = new Recording((unit) => (labelIn(unit) ? [unit, unit] : [unit]));
  const middle = stage.keep(await Middle.start(stage.notary.address, twice.meddle));
  const operator = await stage.enter('operator');
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const sensor = await stage.enter('sensor', {}, middle.address);
  const { near, far } = await meet(sensor, listening, { expect: 'operator' });
  for (const text of numbered(3)) await say(near, text, 'logged');
  for (const frame of twice.frames('out', KIND.message)) await middle.inject(frame, 'out', 0);
  await say(near, 'message 3', 'logged');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), numbered(4));
  await sensor.peer.close();
  await operator.peer.close();
  const labels = (await readLedger(stage)).by(sensor.member.identity.id);
  assert.deepEqual(
    labels.filter(({ kind }) => kind !== KIND.deliveryReceipt).map(({ seq }) => seq),
    [0, 1, 2, 3, 4],
  );
  assert.deepEqual(sensor.events.codes('not-logged'), []);
});

/** Sends a few messages and ends in order: something to record. */
async function chat({ near, far }: Meeting): Promise<void> {
  await sayAll(near, numbered(3));
  await hear(far, 3);
  await say(far, 'understood', 'delivered');
  await Promise.all([near.close(), far.close()]);
}

/** Throws a recorded session at both ends of a new one, then shows that only honest messages came. */
async function replayInto(talk: Approach, recording: Recording, connection: number): Promise<void> {
  const { middle, operator, sensor } = talk;
  const recorded = { out: recording.frames('out'), back: recording.frames('back') };
  const { near, far } = await talk.again();
  for (const frame of recorded.out) await middle.inject(frame, 'out', connection);
  for (const frame of recorded.back) await middle.inject(frame, 'back', connection);
  await operator.events.atLeast(recorded.out.length, 'refused');
  await sensor.events.atLeast(recorded.back.length, 'refused');
  await say(near, 'fresh', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['fresh']);
  assert.deepEqual(await hearAll(near), []);
  for (const { events } of [operator, sensor]) {
    assert.deepEqual(new Set(events.codes()), new Set(['wrong-session']));
  }
}

test('N5: frames recorded in one session are refused in the next one, by both sides', async () => {
  const recording = new Recording();
  await using talk = await approach({ meddle: recording.meddle });
  await chat(await talk.again());
  assert.ok(
    recording.frames('out', KIND.end).length === 1 && recording.frames('back', KIND.deliveryReceipt).length > 0,
  );
  await replayInto(talk, recording, 1);
});

test('N5: frames recorded before both peers restarted are refused after it, and logged once', async () => {
  const recording = new Recording();
  await using talk = await approach({ notary: true, meddle: recording.meddle });
  const { stage } = talk;
  await chat(await talk.again());
  await talk.sensor.peer.close();
  await talk.operator.peer.close();
  const before = await readLedger(stage);

  const operator = await stage.enter('operator');
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const middle = stage.keep(await Middle.start(listening.address));
  const sensor = await stage.enter('sensor');
  const again = (): Promise<Meeting> => meet(sensor, listening, { address: middle.address, expect: 'operator' });
  await replayInto({ ...talk, sensor, operator, listening, middle, again }, recording, 0);
  await sensor.peer.close();
  await operator.peer.close();
  const after = await readLedger(stage);
  assert.deepEqual(after.all.slice(0, before.all.length), before.all);
  // Of the new session: a message and two ends, and their receipts.
  const added = after.all.slice(before.all.length).filter(({ kind }) => kind !== KIND.deliveryReceipt);
  assert.deepEqual(added.map(({ kind }) => kind).toSorted(), [KIND.message, KIND.end, KIND.end]);
});

test('N5: a recorded handshake opens no session with the Responder, nor one with the Initiator', async () => {
  const recording = new Recording();
  await using talk = await approach({ meddle: recording.meddle });
  await chat(await talk.again());
  const { listening, operator, sensor } = talk;
  const units = (direction: Direction): Uint8Array[] =>
    recording.units.filter((seen) => seen.direction === direction).map(({ unit }) => unit);

  await throwAt(listening.address, units('out'));
  const { error } = await operator.events.first('handshake-refused');
  assert.equal(error.code, 'handshake-failed');

  await using verbatim = await trap(async (connection) => {
    for (const unit of units('back')) await connection.send(unit);
    await drain(connection);
  });
  const refused = await refusalOf(sensor.peer.dial(verbatim.address, { expect: 'operator' }));
  assert.equal(refused.code, 'handshake-failed');

  // Once more with the new connection identifier, which stands in the clear in message_1.
  await using readdressed = await trap(async (connection) => {
    const { value: first } = await connection.receive().next();
    const { connectionId } = decodeMessage1(decodeEnvelope(first ?? new Uint8Array()).message);
    const [second, fourth] = recording.handshake(0).filter(({ direction }) => direction === 'back');
    for (const seen of [second, fourth]) {
      const { message } = decodeEnvelope(seen?.unit ?? new Uint8Array());
      await connection.send(encodeEnvelope({ connectionId, message }));
    }
    await drain(connection);
  });
  const garbled = await refusalOf(sensor.peer.dial(readdressed.address, { expect: 'operator' }));
  assert.ok(HANDSHAKE_CODES.has(garbled.code), garbled.code);

  const { near, far } = await talk.again();
  await say(near, 'still here', 'delivered');
  assert.deepEqual(await hear(far, 1), ['still here']);
});

test('N5: what was recorded on the way to the notary adds nothing to the ledger in a later session', async () => {
  await using stage = await Stage.open({ notary: true });
  const recording = new Recording();
  const middle = stage.keep(await Middle.start(stage.notary.address, recording.meddle));
  const operator = await stage.enter('operator');
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const first = await stage.enter('sensor', {}, middle.address);
  await chat(await meet(first, listening, { expect: 'operator' }));
  await first.peer.close();
  const submitted = recording.frames('out', KIND.message);
  assert.ok(submitted.length > 0);

  const second = await stage.enter('sensor', {}, middle.address);
  for (const frame of submitted) await middle.inject(frame, 'out', 1);
  const { near } = await meet(second, listening, { expect: 'operator' });
  await say(near, 'logged as ever', 'logged');
  await second.peer.close();
  await operator.peer.close();
  const labels = (await readLedger(stage)).by(second.member.identity.id);
  const kinds = labels.map(({ kind }) => kind).filter((kind) => kind !== KIND.deliveryReceipt);
  const { message, end } = KIND;
  assert.deepEqual(kinds, [message, message, message, end, message, end]);
});
