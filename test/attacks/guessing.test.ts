import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Middle } from '../../src/apps/middle.ts';
import { bytesToHex, concatBytes, utf8ToBytes } from '../../src/core/bytes.ts';
import { encodeMac0, sign1ToBeSigned } from '../../src/core/cose.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { encodeMessage, readBody } from '../../src/core/frame/body.ts';
import { readFrame } from '../../src/core/frame/frame.ts';
import { KIND } from '../../src/core/kinds.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { dialTcp } from '../../src/node/tcp.ts';
import { Peer } from '../../src/roles/peer.ts';
import { hear, hearAll, say } from '../support/messages.ts';
import { Recording } from '../support/recorded.ts';
import { Stage } from '../support/stage.ts';

/** Everything that somebody has who guesses: what passed or was logged, what is public, and whose signatures they are. */
interface Evidence {
  /** Bytes in which a function of the plaintext may show. */
  readonly seen: Uint8Array;
  readonly publicBytes: readonly Uint8Array[];
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** As short a piece of a hash or HMAC as anybody could use. */
const PIECE_BYTES = 12;

/** Every guess for which some hash, HMAC or signature that anybody can compute or check fits the evidence. */
async function guess(evidence: Evidence, guesses: ReadonlyMap<string, readonly Uint8Array[]>): Promise<string[]> {
  const seen = bytesToHex(evidence.seen);
  const fits = (value: Uint8Array): boolean => seen.includes(bytesToHex(value.subarray(0, PIECE_BYTES)));
  const verifier = nodeVerifier(evidence.publicKey);
  const found: string[] = [];
  for (const [name, forms] of guesses) {
    const hashes = forms.flatMap((form) => [...digests(form, evidence.publicBytes)]);
    let hit = hashes.some(fits);
    for (const content of [...forms, ...forms.map(nodeCrypto.sha256)]) {
      for (const signed of signedForms(content, evidence)) hit ||= await verifier.verify(signed, evidence.signature);
    }
    if (hit) found.push(name);
  }
  return found;
}

/** Hashes and HMACs of `form` with and under everything public. */
function* digests(form: Uint8Array, publicBytes: readonly Uint8Array[]): Generator<Uint8Array> {
  const { sha256, hmac } = nodeCrypto;
  yield sha256(form);
  yield sha256(sha256(form));
  for (const known of publicBytes) {
    yield sha256(concatBytes(known, form));
    yield sha256(concatBytes(form, known));
    yield hmac(known, form);
    yield hmac(form, known);
    yield hmac(known, sha256(form));
  }
}

/** What a signature over `content` could be over. */
function* signedForms(content: Uint8Array, { protectedBytes, publicBytes }: Evidence): Generator<Uint8Array> {
  yield content;
  yield concatBytes(protectedBytes, content);
  yield sign1ToBeSigned(protectedBytes, content);
  yield sign1ToBeSigned(new Uint8Array(0), content);
  for (const tag of publicBytes) {
    if (tag.length === 32) yield sign1ToBeSigned(protectedBytes, encodeMac0({ payload: content, tag }));
  }
}

test('N11: a short plaintext cannot be guessed from its frame, even by somebody who knows all but the word', async () => {
  await using stage = await Stage.open();
  const operator = await stage.enter('operator');
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const recording = new Recording();
  const middle = stage.keep(await Middle.start(listening.address, recording.meddle));
  // Plaintexts as they go into the cipher: no attacker has them, this one is given them all the same.
  const plaintexts: Uint8Array[] = [];
  const spied: Crypto = {
    ...nodeCrypto,
    aes256Ctr: (key, data) => {
      plaintexts.push(data.slice());
      return nodeCrypto.aes256Ctr(key, data);
    },
  };
  const { identity } = stage.member('sensor');
  const peer = new Peer({
    identity,
    anchors: () => stage.members.map((member) => member.identity.id),
    crypto: spied,
    clock: systemClock,
    verifierOf: nodeVerifier,
  });
  const answered = listening[Symbol.asyncIterator]().next();
  const near = await peer.open(await dialTcp(middle.address), 'operator');
  const { value: far } = await answered;
  assert.ok(far);
  await say(near, 'yes', 'delivered');
  await say(near, 'yes', 'delivered');
  assert.deepEqual(await hear(far, 2), ['yes', 'yes']);
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), []);

  const frames = recording.frames('out', KIND.message);
  assert.deepEqual([frames.length, plaintexts.length], [2, 2]);
  for (const [i, frame] of frames.entries()) {
    const { label, body } = readFrame(frame);
    const [message] = readBody(plaintexts[i] ?? new Uint8Array());
    assert.ok(message);
    const guesses = new Map(
      ['yes', 'no', 'maybe', '0', '1'].map((word) => {
        const payload = utf8ToBytes(word);
        return [word, [payload, encodeMessage({ ...message, payload })]] as const;
      }),
    );
    assert.deepEqual(guesses.get('yes')?.[1], plaintexts[i], 'the guesser knows the whole plaintext but for the word');
    const publicBytes = [
      ...[
        label.protectedBytes,
        label.content,
        label.mac,
        label.signature,
        label.toBeVerified,
        label.bytes,
        body,
        frame,
      ],
      ...[label.ratchetId, label.tokenId, label.senderId, near.id, far.peer.id, near.peer.id, message.stream],
      ...[identity.publicKey, ...identity.certificates, new Uint8Array(32), new Uint8Array(0)],
      ...recording.handshake().map(({ unit }) => unit),
    ];
    const evidence: Evidence = {
      ...{ seen: frame, publicBytes, publicKey: identity.publicKey },
      ...{ protectedBytes: label.protectedBytes, signature: label.signature },
    };
    assert.deepEqual(await guess(evidence, guesses), []);

    // The guesser is no fool: it finds the word wherever a plain design would let it.
    const [payload, whole] = guesses.get('yes') ?? [];
    assert.ok(payload && whole);
    for (const leak of [
      { seen: concatBytes(frame, nodeCrypto.sha256(payload)) },
      { seen: concatBytes(frame, nodeCrypto.hmac(label.ratchetId, whole)) },
      { signature: await identity.signer.sign(payload) },
      { signature: await identity.signer.sign(sign1ToBeSigned(label.protectedBytes, whole)) },
      {
        signature: await identity.signer.sign(
          sign1ToBeSigned(label.protectedBytes, encodeMac0({ payload: nodeCrypto.sha256(whole), tag: label.mac })),
        ),
      },
    ]) {
      assert.deepEqual(await guess({ ...evidence, ...leak }, guesses), ['yes']);
    }
    // What is signed says of the content no more than hash and HMAC of the ciphertext, under keys of this frame alone.
    assert.deepEqual(label.content, nodeCrypto.sha256(body));
    assert.ok(!bytesToHex(label.toBeVerified).includes(bytesToHex(payload)));
  }
  // Said twice, the same word looks different in every part that depends on it.
  const [first, second] = frames.map((frame) => readFrame(frame));
  assert.ok(first && second);
  for (const part of ['mac', 'content', 'tokenId', 'signature'] as const) {
    assert.notDeepEqual(first.label[part], second.label[part], part);
  }
  assert.notDeepEqual(first.body, second.body);
});
