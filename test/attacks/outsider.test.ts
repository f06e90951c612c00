import assert from 'node:assert/strict';
import { ECDH } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { labelIn, type Meddle } from '../../src/apps/middle.ts';
import { bytesToHex, concatBytes, utf8ToBytes } from '../../src/core/bytes.ts';
import { isOnCurve } from '../../src/core/crypto/es256.ts';
import { encodeMessage, joinBody } from '../../src/core/frame/body.ts';
import { draftFrame } from '../../src/core/frame/seal.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { encodeErrorMessage, REFUSAL } from '../../src/core/handshake/error-message.ts';
import { encodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { decodeMessage2, encodeMessage2 } from '../../src/core/handshake/message-2.ts';
import { suite5 } from '../../src/core/handshake/suites.ts';
import { KIND } from '../../src/core/kinds.ts';
import { SendingRatchet } from '../../src/core/ratchet/sending.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { dialTcp } from '../../src/node/tcp.ts';
import { HANDSHAKE_CODES, refusalOf, roguePeer, throwAt } from '../support/attacker.ts';
import { hear, hearAll, say, sayAll } from '../support/messages.ts';
import { Recording } from '../support/recorded.ts';
import { type Approach, approach, converse, makeMember } from '../support/stage.ts';

/** All that anybody gets back who is refused. */
const REFUSED = encodeEnvelope({ connectionId: null, message: encodeErrorMessage(REFUSAL) });

async function honestSession({ again }: Approach): Promise<void> {
  const { near, far } = await again();
  await say(near, 'honest', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['honest']);
}

/** True where `bytes` holds `word`, plain or in hex or base64. */
function shows(bytes: Uint8Array, word: string): boolean {
  const plain = Buffer.from(word);
  const all = Buffer.from(bytes);
  return [plain, plain.toString('hex'), plain.toString('base64').slice(0, -4)].some((form) => all.includes(form));
}

test('also kept: whoever listens on the wire or reads the ledger sees no word of what is said', async () => {
  const recording = new Recording();
  await using talk = await converse({ notary: true, meddle: recording.meddle });
  const { near, far, sensor, operator, stage } = talk;
  const words = ['the temperature is 21.5 degrees', 'open valve number seven now'];
  await sayAll(near, words);
  await say(far, 'understood and executed', 'delivered');
  assert.deepEqual(await hear(far, 2), words);
  await Promise.all([near.close(), far.close()]);
  await sensor.peer.close();
  await operator.peer.close();
  await stage.stopNotary();
  const wire = concatBytes(...recording.units.map(({ unit }) => unit));
  const files = [stage.ledgerFile, `${sensor.member.home}/receipts.db`];
  const disk = await Promise.all(files.map((file) => readFile(file)));
  for (const word of [...words, 'understood and executed']) {
    for (const bytes of [wire, ...disk]) assert.ok(!shows(bytes, word), word);
  }
  // The search would find what is there: the notary's name in its certificate.
  assert.ok(disk[0] && shows(disk[0], 'notary'));
});

test('also kept: an outsider with a key and a certificate of its own gets no session, under any name', async () => {
  await using talk = await approach();
  const { stage, listening, operator, sensor } = talk;
  for (const name of ['stranger', 'sensor']) {
    const outsider = await makeMember(stage.directory, name, `outside-${name}`);
    const peer = roguePeer(outsider.identity, stage.members);
    const refused = await refusalOf(peer.open(await dialTcp(listening.address), 'operator'));
    assert.equal(refused.code, 'handshake-failed');
  }
  const refused = await operator.events.atLeast(2, 'handshake-refused');
  assert.deepEqual(
    refused.map(({ error }) => error.code),
    ['identity-unknown', 'key-changed'],
  );
  assert.deepEqual(sensor.events.of('refused'), []);
  await honestSession(talk);
});

test('also kept: frames that a keyless outsider makes up are refused', async () => {
  const recording = new Recording();
  await using talk = await converse({ meddle: recording.meddle });
  const { near, far, middle, operator, stage, listening } = talk;
  await say(near, 'genuine', 'delivered');
  const [seen = new Uint8Array()] = recording.frames('out', KIND.message);
  const label = labelIn(seen);
  assert.ok(label);
  const outsider = await makeMember(stage.directory, 'stranger');
  const forge = async (senderId: Uint8Array): Promise<Uint8Array> => {
    const position = { ratchetId: label.ratchetId, seq: label.seq + 1, chainKey: nodeCrypto.random(32) };
    const message = {
      stream: new Uint8Array(8),
      n: 1,
      timeMs: Date.now(),
      contentType: 0,
      payload: utf8ToBytes('lies'),
    };
    const ratchet = new SendingRatchet(nodeCrypto, position);
    const draft = draftFrame(nodeCrypto, ratchet, { ...label, senderId }, joinBody([encodeMessage(message)]));
    return draft.finish(await outsider.identity.signer.sign(draft.toBeSigned)).bytes;
  };
  await middle.inject(await forge(label.senderId), 'out', 0);
  await middle.inject(await forge(outsider.identity.id), 'out', 0);
  await middle.inject(utf8ToBytes('lies'), 'out', 0);
  await operator.events.atLeast(3, 'refused');
  assert.deepEqual(operator.events.codes(), ['signature-invalid', 'sender-unknown', 'malformed']);
  // Without a session there is no place for frames at all.
  await throwAt(listening.address, [seen]);
  assert.ok(HANDSHAKE_CODES.has((await operator.events.first('handshake-refused')).error.code));
  await say(near, 'genuine too', 'delivered');
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), ['genuine', 'genuine too']);
});

/** x coordinates that no point of P-256 has. */
function badCoordinates(): Uint8Array[] {
  const offCurve = Array.from({ length: 64 }, (_, i) => new Uint8Array(32).fill(i, 31)).find((x) => !hasPoint(x));
  assert.ok(offCurve);
  const field = Buffer.from('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff', 'hex');
  return [offCurve, new Uint8Array(field), new Uint8Array(32).fill(255)];
}

function hasPoint(x: Uint8Array): boolean {
  try {
    const key = ECDH.convertKey(concatBytes(Uint8Array.of(2), x), 'prime256v1', undefined, undefined, 'uncompressed');
    return isOnCurve(new Uint8Array(key as Buffer));
  } catch {
    return false;
  }
}

test('also kept: an ephemeral key that is no point of the curve is refused, by the Responder', async () => {
  await using talk = await approach();
  const { listening, operator } = talk;
  for (const publicX of [...badCoordinates(), new Uint8Array(31), new Uint8Array(33), new Uint8Array(0)]) {
    const message = encodeMessage1({ method: 0, suites: [5], publicX, connectionId: nodeCrypto.random(8) });
    const answers = await throwAt(listening.address, [encodeEnvelope({ connectionId: null, message })]);
    // No more comes back than that it failed: nothing signed, nothing that depends on a key.
    assert.deepEqual(answers.map(bytesToHex), [bytesToHex(REFUSED)]);
  }
  const refused = await operator.events.atLeast(6, 'handshake-refused');
  const codes = refused.map(({ error }) => error.code);
  assert.deepEqual(codes.slice(0, 3), ['key-invalid', 'key-invalid', 'key-invalid']);
  for (const code of codes) assert.ok(HANDSHAKE_CODES.has(code), code);
  await honestSession(talk);
});

test('also kept: an ephemeral key that is no point of the curve is refused, by the Initiator', async () => {
  const suite = suite5(nodeCrypto);
  const bad = badCoordinates();
  const meddle: Meddle = (unit, direction, connection) => {
    const publicY = bad[connection];
    const { connectionId, message } = decodeEnvelope(unit);
    if (direction === 'out' || !publicY) return [unit];
    return [encodeEnvelope({ connectionId, message: encodeMessage2({ ...decodeMessage2(message, suite), publicY }) })];
  };
  await using talk = await approach({ meddle: (unit, ...more) => (labelIn(unit) ? [unit] : meddle(unit, ...more)) });
  for (const _ of bad) {
    const refused = await refusalOf(talk.sensor.peer.dial(talk.middle.address, { expect: 'operator' }));
    assert.equal(refused.code, 'key-invalid');
  }
  await talk.operator.events.atLeast(bad.length, 'handshake-refused');
  assert.deepEqual(new Set(talk.operator.events.codes('handshake-refused')), new Set(['handshake-failed']));
  await honestSession(talk);
});
