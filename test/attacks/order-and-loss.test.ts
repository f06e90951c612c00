import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelIn, type Meddle } from '../../src/apps/middle.ts';
import type { SealwireError } from '../../src/core/errors.ts';
import { encodeRatchetEnd } from '../../src/core/frame/end.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { draftFrame } from '../../src/core/frame/seal.ts';
import { KIND } from '../../src/core/kinds.ts';
import { SendingRatchet } from '../../src/core/ratchet/sending.ts';
import { nodeCrypto, nodeSigner } from '../../src/node/crypto.ts';
import { generateKey } from '../../src/node/key-files.ts';
import type { Session } from '../../src/roles/session.ts';
import { refusalOf } from '../support/attacker.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { hear, hearAll, numbered, say, sayAll, textOf } from '../support/messages.ts';
import { Recording } from '../support/recorded.ts';
import { type Approach, converse } from '../support/stage.ts';

/** Meddles with messages and ends that the sensor sends, and passes everything else on. */
function onWayOut(meddle: (unit: Uint8Array, label: Label) => readonly Uint8Array[]): Meddle {
  return (unit, direction) => {
    const label = direction === 'out' ? labelIn(unit) : undefined;
    return label && label.kind !== KIND.deliveryReceipt ? meddle(unit, label) : [unit];
  };
}

/** Drops what `doomed` names, whenever it is sent again too. */
function dropping(doomed: (label: Label) => boolean): Meddle {
  return onWayOut((unit, label) => (doomed(label) ? [] : [unit]));
}

test("N6: reordered frames are delivered in the sender's order, without a gap and once", async () => {
  const order = [3, 1, 4, 0, 2];
  const held: Uint8Array[] = [];
  const seen = new Set<number>();
  const shuffle = onWayOut((unit, { seq, kind }) => {
    if (kind !== KIND.message || seen.has(seq)) return [unit];
    seen.add(seq);
    if (held.push(unit) < order.length) return [];
    const window = held.splice(0);
    return order.flatMap((at) => window[at] ?? []);
  });
  await using talk = await converse({ meddle: shuffle, tuning: { batchMax: 1 } });
  const { near, far, operator } = talk;
  await sayAll(near, numbered(20));
  const messages = far[Symbol.asyncIterator]();
  for (let n = 0; n < 20; n++) {
    const { value } = await messages.next();
    assert.ok(value);
    assert.deepEqual([textOf(value), value.n, value.late], [`message ${n}`, n, false]);
  }
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), []);
  assert.deepEqual(operator.events.of('gap'), []);
});

test('N6: an end that is moved before the last messages waits for them', async () => {
  const late: Uint8Array[] = [];
  const endFirst = onWayOut((unit, { kind }) => {
    if (kind === KIND.end) return [unit, ...late.splice(0)];
    late.push(unit);
    return [];
  });
  await using talk = await converse({ meddle: endFirst, tuning: { batchMax: 1 } });
  const { near, far, operator } = talk;
  await sayAll(near, numbered(4));
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), numbered(4));
  assert.deepEqual(operator.events.of('gap'), []);
});

test('N7: dropped messages are reported to the reader, never confirmed, and stand unconfirmed in the ledger', async () => {
  const doomed = new Set([2, 3, 6]);
  await using talk = await converse({
    notary: true,
    meddle: dropping(({ kind, seq }) => kind === KIND.message && doomed.has(seq)),
    tuning: { batchMax: 1, gapWaitMs: 100 },
  });
  const { near, far, sensor, operator, stage } = talk;
  const delivered = numbered(9).map((text) => say(near, text, 'delivered'));
  const outcomes = Promise.allSettled(delivered);
  // The reader: what did not come is named, what follows comes in order.
  assert.deepEqual(
    await hear(far, 6),
    [0, 1, 4, 5, 7, 8].map((n) => `message ${n}`),
  );
  assert.deepEqual(
    operator.events.of('gap').map(({ gap }) => gap),
    [
      { first: 2, last: 3 },
      { first: 6, last: 6 },
    ],
  );
  for (const n of [0, 1, 4, 5, 7, 8]) await delivered[n];
  // The sender repaired in vain. It says so when it ends: the reader, who has given up on them, is gone by then.
  await sensor.events.atLeast(3, 'repaired');
  assert.equal((await refusalOf(near.close())).code, 'stream-cut');
  assert.deepEqual(new Set(sensor.events.of('repaired').map(({ seq }) => seq)), doomed);
  for (const [n, outcome] of (await outcomes).entries()) {
    assert.equal(outcome.status, doomed.has(n) ? 'rejected' : 'fulfilled', `message ${n}`);
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'stream-cut');
  }
  await sensor.peer.close();
  await operator.peer.close();
  // The ledger: all of them were logged, these have no delivery receipt.
  const labels = await readLedger(stage);
  const { id } = sensor.member.identity;
  const logged = labels.by(id).filter(({ kind }) => kind === KIND.message);
  assert.deepEqual(
    logged.map(({ seq }) => seq),
    numbered(9).map((_, n) => n),
  );
  assert.deepEqual(new Set(labels.unconfirmed(id)), doomed);
});

test('N7: a message that was dropped once is repaired and comes in its order', async () => {
  const seen = new Set<number>();
  const dropFirst = dropping(({ kind, seq }) => {
    const first = kind === KIND.message && seq % 3 === 1 && !seen.has(seq);
    seen.add(seq);
    return first;
  });
  await using talk = await converse({ meddle: dropFirst, tuning: { batchMax: 1, receiptDelayMs: 5 } });
  const { near, far, operator, sensor } = talk;
  await sayAll(near, numbered(12));
  assert.deepEqual(await hear(far, 12), numbered(12));
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(operator.events.of('gap'), []);
  assert.ok(sensor.events.of('repaired').length >= 4);
});

test('N7: when every delivery receipt is dropped, the sender waits in vain and says so', async () => {
  const deaf: Meddle = (unit, direction) =>
    direction === 'back' && labelIn(unit)?.kind === KIND.deliveryReceipt ? [] : [unit];
  await using talk = await converse({ meddle: deaf, tuning: { gapWaitMs: 100 } });
  const { near, far, sensor } = talk;
  const unconfirmed = refusalOf(say(near, 'did you get this?', 'delivered'));
  assert.deepEqual(await hear(far, 1), ['did you get this?']);
  assert.equal((await refusalOf(near.close())).code, 'stream-cut');
  assert.equal((await unconfirmed).code, 'stream-cut');
  assert.deepEqual(sensor.events.of('confirmed'), []);
});

/** On the first connection passes everything until `last` comes from the sensor, then nothing. */
function endingAt(last: (label: Label) => boolean): { readonly meddle: Meddle; readonly reached: Promise<void> } {
  const reached = Promise.withResolvers<void>();
  let over = false;
  const meddle: Meddle = (unit, direction, connection) => {
    const label = labelIn(unit);
    if (direction === 'out' && label && last(label)) {
      over = true;
      reached.resolve();
    }
    return over && connection === 0 ? [] : [unit];
  };
  return { meddle, reached: reached.promise };
}

/** What is heard until the session breaks, and how it breaks. */
async function hearUntilCut(session: Session): Promise<{ readonly heard: string[]; readonly error: SealwireError }> {
  const heard: string[] = [];
  const error = await refusalOf(
    (async () => {
      for await (const message of session) heard.push(textOf(message));
    })(),
  );
  return { heard, error };
}

/** Honest traffic goes on: one more session between the two, which ends as it should. */
async function nextSessionEndsCleanly({ again }: Approach): Promise<void> {
  const { near, far } = await again();
  await say(near, 'and on we go', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['and on we go']);
}

/** The sensor's ends in the ledger, and whether a delivery receipt covers each. */
async function loggedEnds({ sensor, operator, stage }: Approach): Promise<boolean[]> {
  await sensor.peer.close();
  await operator.peer.close();
  const labels = await readLedger(stage);
  const { id } = sensor.member.identity;
  const ends = labels.by(id).filter(({ kind }) => kind === KIND.end);
  return ends.map((end) => labels.isConfirmed(end));
}

test('N8: a stream cut before its last message is a broken one for both sides, and has no end in the ledger', async () => {
  const scissors = endingAt(({ kind, seq }) => kind === KIND.message && seq === 2);
  await using talk = await converse({ notary: true, meddle: scissors.meddle, tuning: { batchMax: 1 } });
  const { near, far, middle } = talk;
  await say(near, 'message 0', 'delivered');
  await say(near, 'message 1', 'delivered');
  const lastWord = refusalOf(say(near, 'message 2', 'delivered'));
  await scissors.reached;
  await middle.cut();

  const { heard, error } = await hearUntilCut(far);
  assert.deepEqual(heard, ['message 0', 'message 1']);
  assert.equal(error.code, 'stream-cut');
  assert.equal((await lastWord).code, 'stream-cut');
  assert.equal((await refusalOf(say(near, 'too late'))).code, 'stream-cut');
  assert.equal((await refusalOf(near.close())).code, 'stream-cut');

  await nextSessionEndsCleanly(talk);
  assert.deepEqual(await loggedEnds(talk), [true], 'the only end is the next session’s');
});

test('N8: a stream cut before its end is a broken one for both sides, and its end is never confirmed', async () => {
  const scissors = endingAt(({ kind }) => kind === KIND.end);
  await using talk = await converse({ notary: true, meddle: scissors.meddle, tuning: { batchMax: 1 } });
  const { near, far, middle } = talk;
  for (const text of numbered(3)) await say(near, text, 'delivered');
  const closing = refusalOf(near.close());
  await scissors.reached;
  await middle.cut();

  const { heard, error } = await hearUntilCut(far);
  assert.deepEqual(heard, numbered(3));
  assert.equal(error.code, 'stream-cut');
  assert.equal((await closing).code, 'stream-cut');

  await nextSessionEndsCleanly(talk);
  assert.deepEqual((await loggedEnds(talk)).toSorted(), [false, true]);
});

test('N8: an end that is forged, replayed or reflected ends nothing', async () => {
  const recording = new Recording();
  await using talk = await converse({ meddle: recording.meddle });
  const { sensor, operator, middle } = talk;
  await say(talk.near, 'first session', 'delivered');
  await Promise.all([talk.near.close(), talk.far.close()]);
  const [recorded] = recording.frames('out', KIND.end);
  const [reflected] = recording.frames('back', KIND.end);

  const { near, far } = await talk.again();
  await say(near, 'second session', 'delivered');
  const genuine = labelIn(recording.frames('out', KIND.message).at(-1) ?? new Uint8Array());
  assert.ok(recorded && reflected && genuine);
  // Everything that the middle can know is right about it: ids, ratchet, seq, count. Keys it has none.
  const position = { ratchetId: genuine.ratchetId, seq: genuine.seq + 1, chainKey: nodeCrypto.random(32) };
  const ratchet = new SendingRatchet(nodeCrypto, position);
  const content = encodeRatchetEnd({ finalSeq: position.seq, messages: 1, voids: [] });
  const draft = draftFrame(nodeCrypto, ratchet, { ...genuine, kind: KIND.end }, content);
  const forged = draft.finish(await nodeSigner(generateKey()).sign(draft.toBeSigned));

  for (const end of [recorded, reflected, forged.bytes]) await middle.inject(end, 'out', 1);
  await operator.events.atLeast(3, 'refused');
  assert.deepEqual(operator.events.codes(), ['wrong-session', 'sender-unknown', 'signature-invalid']);
  await say(near, 'not ended', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['second session', 'not ended']);
  assert.deepEqual(sensor.events.codes(), []);
});

test('N8: at a cut the reader gets everything that came, with every gap named, before it learns of the cut', async () => {
  const scissors = endingAt(({ kind, seq }) => kind === KIND.message && seq === 6);
  const doomed = new Set([1, 3, 4]);
  const meddle: Meddle = (unit, direction, connection) => {
    const label = direction === 'out' ? labelIn(unit) : undefined;
    return label && doomed.has(label.seq) ? [] : scissors.meddle(unit, direction, connection);
  };
  await using talk = await converse({ meddle, tuning: { batchMax: 1 } });
  const { near, far, middle, operator } = talk;
  await sayAll(near, numbered(7));
  await scissors.reached;
  await middle.cut();
  const { heard, error } = await hearUntilCut(far);
  assert.deepEqual(heard, ['message 0', 'message 2', 'message 5']);
  assert.equal(error.code, 'stream-cut');
  assert.deepEqual(
    operator.events.of('gap').map(({ gap }) => gap),
    [
      { first: 1, last: 1 },
      { first: 3, last: 4 },
    ],
  );
});
