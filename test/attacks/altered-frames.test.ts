import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { labelIn, type Meddle } from '../../src/apps/middle.ts';
import { concatBytes } from '../../src/core/bytes.ts';
import { toLowS } from '../../src/core/crypto/es256.ts';
import { readFrame } from '../../src/core/frame/frame.ts';
import type { LabelHeader } from '../../src/core/frame/label.ts';
import { idToTopic } from '../../src/core/identity/id.ts';
import { KIND } from '../../src/core/kinds.ts';
import { decodeAnswer, SUBMISSION_TYPE } from '../../src/core/ledger/submission.ts';
import { dialTcp } from '../../src/node/tcp.ts';
import { roguePeer } from '../support/attacker.ts';
import { annotated, flipped, malleated, relabelled, resigned } from '../support/forged-frame.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { hear, hearAll, say } from '../support/messages.ts';
import { Recording } from '../support/recorded.ts';
import { type Conversation, converse, type Stage } from '../support/stage.ts';

/** Holds back the sensor's first message, so that forgeries of it can come before it. */
function holdingFirst(): { readonly meddle: Meddle; readonly held: Promise<Uint8Array> } {
  const held = Promise.withResolvers<Uint8Array>();
  let waiting = true;
  const meddle: Meddle = (unit, direction) => {
    if (!waiting || direction !== 'out' || labelIn(unit)?.kind !== KIND.message) return [unit];
    waiting = false;
    held.resolve(unit);
    return [];
  };
  return { meddle, held: held.promise };
}

/** Throws forgeries of a held message at the operator, then lets the genuine one through, which is as good as ever. */
async function forge(
  talk: Conversation,
  held: Promise<Uint8Array>,
  forgeries: (genuine: Uint8Array) => readonly Uint8Array[],
): Promise<readonly string[]> {
  const { near, far, middle, operator } = talk;
  const delivered = say(near, 'close valve 7', 'delivered');
  const genuine = await held;
  const forged = forgeries(genuine);
  for (const frame of forged) await middle.inject(frame, 'out', 0);
  await operator.events.atLeast(forged.length, 'refused');
  await middle.inject(genuine, 'out', 0);
  assert.deepEqual(await hear(far, 1), ['close valve 7']);
  await delivered;
  await say(near, 'and open valve 8', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['and open valve 8']);
  const codes = operator.events.codes();
  assert.equal(codes.length, forged.length, 'each forgery was refused, and nothing else');
  return codes;
}

/** Messages and ends of the sensor in the ledger, once all is closed. */
async function loggedSeqs({ sensor, operator, stage }: Conversation, conflicts = 0): Promise<number[]> {
  await sensor.peer.close();
  await operator.peer.close();
  const labels = (await readLedger(stage, conflicts)).by(sensor.member.identity.id);
  return labels.filter(({ kind }) => kind !== KIND.deliveryReceipt).map(({ seq }) => seq);
}

/** What the notary answers to labels that mallory hands in, in any order. */
async function answersTo(labels: readonly Uint8Array[], stage: Stage): Promise<unknown[]> {
  const mallory = roguePeer(stage.member('mallory').identity, stage.members);
  const session = await mallory.open(await dialTcp(stage.notary.address), 'notary');
  for (const label of labels) await session.send(label, { contentType: SUBMISSION_TYPE });
  const refusals: unknown[] = [];
  for await (const { payload } of session) {
    if (refusals.push(decodeAnswer(payload).refusal) === labels.length) break;
  }
  await session.close();
  return refusals;
}

test('N10: a label with anything else in it than was signed is refused, and the genuine one still comes', async () => {
  const hold = holdingFirst();
  await using talk = await converse({ names: ['sensor', 'operator', 'mallory'], meddle: hold.meddle });
  const mallory = talk.stage.member('mallory').identity.id;
  const alterations: readonly (readonly [Partial<LabelHeader>, string])[] = [
    [{ senderId: mallory }, 'sender-unknown'],
    [{ senderId: talk.operator.member.identity.id }, 'sender-unknown'],
    [{ topic: idToTopic(mallory) }, 'wrong-recipient'],
    [{ topic: 'plant/valve/8' }, 'signature-invalid'],
    [{ ratchetId: new Uint8Array(16).fill(1) }, 'wrong-session'],
    [{ channel: 'valves' }, 'wrong-session'],
    [{ rosterName: 'plant' }, 'wrong-session'],
    [{ issuedAtS: 1 }, 'signature-invalid'],
    [{ issuedAtS: Math.floor(Date.now() / 1000) + 3600 }, 'signature-invalid'],
    [{ expiresAtS: 2 ** 40 }, 'signature-invalid'],
    [{ expiresAtS: 1 }, 'signature-invalid'],
    [{ seq: 1 }, 'signature-invalid'],
    [{ seq: 2 ** 31 }, 'signature-invalid'],
    [{ kind: KIND.ledgerReceipt }, 'signature-invalid'],
    [{ kind: KIND.grant }, 'signature-invalid'],
    [{ kind: KIND.end }, 'malformed'],
    [{ kind: KIND.deliveryReceipt }, 'malformed'],
    [{ tokenId: new Uint8Array(16) }, 'signature-invalid'],
    [{ roster: { version: 1, hash: new Uint8Array(16) } }, 'signature-invalid'],
    [{ head: { treeSize: 1000, root: new Uint8Array(32) } }, 'signature-invalid'],
  ];
  const codes = await forge(talk, hold.held, (genuine) => [
    ...alterations.map(([changes]) => relabelled(genuine, changes)),
    annotated(genuine, 4, new Uint8Array(32)),
    annotated(genuine, 1, -7),
  ]);
  assert.deepEqual(codes, [...alterations.map(([, code]) => code), 'malformed', 'malformed']);
});

test('N10: an expiry that is cut off is refused; one that has passed is honoured, and what follows comes', async () => {
  const hold = holdingFirst();
  await using talk = await converse({ meddle: hold.meddle });
  const { near, far, middle, operator } = talk;
  const delivered = near.send(new TextEncoder().encode('valid for a moment'), {
    expiresAtMs: Date.now() + 1,
    until: 'delivered',
  });
  const late = await hold.held;
  await middle.inject(relabelled(late, { expiresAtS: null }), 'out', 0);
  assert.equal((await operator.events.first('refused')).error.code, 'signature-invalid');
  const expiresAtMs = (labelIn(late)?.expiresAtS ?? 0) * 1000;
  assert.ok(expiresAtMs > 0);
  while (Date.now() < expiresAtMs) await new Promise((resolve) => setTimeout(resolve, expiresAtMs - Date.now()));
  await middle.inject(late, 'out', 0);
  assert.deepEqual((await operator.events.first('expired')).n, 0);
  // It reached the reader whole, too late: the receipt says no more than that.
  await delivered;
  await say(near, 'valid for good', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['valid for good']);
  assert.deepEqual(operator.events.of('gap'), []);
});

test('N10: the notary too refuses a label with anything else in it than was signed', async () => {
  const hold = holdingFirst();
  await using talk = await converse({ notary: true, names: ['sensor', 'operator', 'mallory'], meddle: hold.meddle });
  const { stage } = talk;
  await forge(talk, hold.held, () => []);
  const genuine = await hold.held;
  const { label } = readFrame(genuine);
  const bodyBytes = genuine.length - 1 - label.bytes.length;
  const forged = [
    relabelled(genuine, { topic: 'plant/valve/8', seq: 50 }),
    relabelled(genuine, { issuedAtS: 1, seq: 51 }),
    relabelled(genuine, { senderId: talk.operator.member.identity.id }),
    resigned(genuine, malleated(label.signature)),
  ];
  const labels = forged.map((frame) => frame.subarray(1, frame.length - bodyBytes));
  const refusals = await answersTo(labels, stage);
  assert.deepEqual(new Set(refusals), new Set(['not-admitted']));
  assert.deepEqual(await loggedSeqs(talk), [0, 1, 2]);
});

test('N13: (r, n−s) of a signature is refused and counts as no frame: the genuine one still comes', async () => {
  const hold = holdingFirst();
  await using talk = await converse({ notary: true, meddle: hold.meddle });
  const codes = await forge(talk, hold.held, (genuine) => {
    const { label } = readFrame(genuine);
    const other = malleated(label.signature);
    // The attack is a real one: bare ECDSA takes both.
    const key = createPublicKey(talk.sensor.member.identity.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    for (const signature of [label.signature, other]) {
      assert.ok(verify('sha256', label.toBeVerified, { key, dsaEncoding: 'ieee-p1363' }, signature));
    }
    assert.notDeepEqual(other, label.signature);
    return [resigned(genuine, other)];
  });
  assert.deepEqual(codes, ['signature-invalid']);
  assert.deepEqual(await loggedSeqs(talk), [0, 1, 2]);
});

test('N13: a second valid signature over the same label is the same frame: duplicates are told by their place', async () => {
  const recording = new Recording();
  await using talk = await converse({
    notary: true,
    names: ['sensor', 'operator', 'mallory'],
    meddle: recording.meddle,
  });
  const { near, far, middle, operator, sensor, stage } = talk;
  await say(near, 'pay 100', 'logged');
  const [genuine = new Uint8Array()] = recording.frames('out', KIND.message);
  const { label } = readFrame(genuine);
  // Only the sender itself can make it; a filter on bytes would take it for a new message.
  const again = resigned(genuine, toLowS(await sensor.member.identity.signer.sign(label.toBeVerified)));
  assert.notDeepEqual(again, genuine);
  await middle.inject(again, 'out', 0);
  await middle.inject(resigned(genuine, malleated(label.signature)), 'out', 0);
  await middle.inject(genuine, 'out', 0);
  await operator.events.atLeast(3, 'refused');
  assert.deepEqual(operator.events.codes(), ['replayed', 'signature-invalid', 'replayed']);
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['pay 100']);
  // The notary keeps one entry for the place, and says that its sender signed twice.
  const bodyBytes = genuine.length - 1 - label.bytes.length;
  const labelAgain = again.subarray(1, again.length - bodyBytes);
  assert.deepEqual(await answersTo([labelAgain], stage), ['conflict']);
  assert.deepEqual(await loggedSeqs(talk, 1), [0, 1]);
});

test('also kept: one bit turned anywhere in a frame, in any field, is refused', async () => {
  const hold = holdingFirst();
  await using talk = await converse({ meddle: hold.meddle });
  const codes = await forge(talk, hold.held, (genuine) => Array.from(genuine, (_, at) => flipped(genuine, at)));
  assert.ok(codes.length > 300);
  const found = new Set(codes);
  for (const code of ['malformed', 'signature-invalid', 'body-mismatch', 'sender-unknown', 'wrong-session']) {
    assert.ok(found.has(code), `${code} among ${[...found].join(', ')}`);
  }
  assert.ok(!found.has('internal'));
});

test('also kept: a frame cut short or run together with another is refused', async () => {
  const hold = holdingFirst();
  await using talk = await converse({ meddle: hold.meddle });
  const codes = await forge(talk, hold.held, (genuine) => [
    ...[1, 2, 50, 200, genuine.length - 1].map((length) => genuine.subarray(0, length)),
    concatBytes(genuine, genuine),
    concatBytes(genuine, Uint8Array.of(0)),
  ]);
  assert.deepEqual(new Set(codes), new Set(['malformed']));
});
