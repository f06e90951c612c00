import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedSigner } from '../../../test/support/identities.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { isSealwireError } from '../errors.ts';
import { identityId } from '../identity/id.ts';
import { topicMatches } from '../topic.ts';
import { decodeAnswer, type EnrolmentAnswer, encodeAnswer } from './answer.ts';
import { answerTopic, parseRequestTopic, requestFilter, requestTopic } from './enrolment-topic.ts';
import { decodeRequest, encodeRenewalRequest, encodeTokenRequest, isTokenRequest } from './request.ts';

const key = new Uint8Array(32).fill(1);
const other = new Uint8Array(32).fill(2);
const csr = new Uint8Array(200).fill(3);
const answer: EnrolmentAnswer = {
  type: 'enrolled',
  chain: [Uint8Array.of(1), Uint8Array.of(2)],
  authority: Uint8Array.of(3),
  roster: { name: 'works', authorityId: key, version: 3, hash: new Uint8Array(32).fill(4) },
};

test('a request is believed under its key only, and as it was written', () => {
  const request = decodeRequest(encodeTokenRequest(nobleCrypto, key, csr));
  assert.deepEqual(request.signingRequest, csr);
  assert.ok(isTokenRequest(nobleCrypto, key, request));
  assert.ok(!isTokenRequest(nobleCrypto, other, request));
  assert.ok(!isTokenRequest(nobleCrypto, key, { ...request, signingRequest: csr.slice(1) }));
  assert.ok(!isTokenRequest(nobleCrypto, key, decodeRequest(encodeRenewalRequest(csr))));
});

test('what is no request is refused before it is judged', () => {
  for (const item of [
    [],
    [1, csr],
    [2, csr, null],
    [1, 'text', null],
    [1, csr, csr.slice(1)],
    [1, csr, null, null],
    7,
  ]) {
    assert.throws(() => decodeRequest(encodeCbor(item)), { code: 'malformed' });
  }
  assert.throws(() => decodeRequest(encodeRenewalRequest(new Uint8Array(3000))), { code: 'too-large' });
});

test('an answer belongs to one request and one token', () => {
  const data = encodeAnswer(nobleCrypto, key, csr, answer);
  assert.deepEqual(decodeAnswer(nobleCrypto, key, csr, data), answer);
  for (const read of [
    () => decodeAnswer(nobleCrypto, other, csr, data),
    () => decodeAnswer(nobleCrypto, key, csr.slice(1), data),
    () => decodeAnswer(nobleCrypto, key, csr, encodeAnswer(nobleCrypto, null, csr, answer)),
  ]) {
    assert.throws(read, { code: 'mac-invalid' });
  }
  const changed = data.slice();
  changed[40] = (changed[40] ?? 0) ^ 1;
  assert.throws(
    () => decodeAnswer(nobleCrypto, key, csr, changed),
    (error) => isSealwireError(error),
  );
});

test('an answer that nobody authenticates carries nothing in the place of its HMAC', () => {
  const plain = encodeAnswer(nobleCrypto, null, csr, answer);
  assert.deepEqual(decodeAnswer(nobleCrypto, null, csr, plain), answer);
  const [version, body] = decodeCbor(plain) as CborValue[];
  for (const tag of [7, false, new Uint8Array(32)]) {
    const data = encodeCbor([version ?? null, body ?? null, tag]);
    assert.throws(() => decodeAnswer(nobleCrypto, null, csr, data), { code: 'malformed' });
  }
});

test('a refusal carries a code that devices know, and a bounded reason', () => {
  const refusal = { type: 'refused', code: 'token-invalid', reason: 'x'.repeat(1000) } as const;
  const read = decodeAnswer(nobleCrypto, key, csr, encodeAnswer(nobleCrypto, key, csr, refusal));
  assert.deepEqual(read, { ...refusal, reason: 'x'.repeat(300) });
  const bad = [
    [1, 'internal', 'x'],
    [0, [], csr, null],
    [0, [csr, csr, csr, csr, csr], csr, null],
    [0, [1], csr, null],
    [0, [csr], csr, csr],
    [0, [csr], csr, ['works', key, 0, key]],
    [0, [csr], csr, ['works', csr, 1, key]],
    4,
  ];
  for (const body of bad) {
    const data = encodeCbor([1, encodeCbor(body), null]);
    assert.throws(() => decodeAnswer(nobleCrypto, null, csr, data), { code: 'malformed' });
  }
});

test('topics say to whom, and who asks', () => {
  const authorityId = identityId(nobleCrypto, fixedSigner(1).publicKey);
  const deviceId = identityId(nobleCrypto, fixedSigner(2).publicKey);
  const askers = [
    { type: 'token', tokenId: new Uint8Array(16).fill(9) },
    { type: 'device', deviceId },
  ] as const;
  for (const asker of askers) {
    const topic = requestTopic(authorityId, asker);
    assert.deepEqual(parseRequestTopic(topic), asker);
    assert.ok(topicMatches(requestFilter(authorityId), topic));
    assert.ok(!topicMatches(requestFilter(authorityId), answerTopic(authorityId, asker)), 'answers are not heard');
    assert.equal(parseRequestTopic(answerTopic(authorityId, asker)), null);
  }
  const root = requestTopic(authorityId, askers[0]).slice(0, -22);
  for (const topic of ['plant/a', `${root}short`, `${root}${'/'.repeat(22)}`, `${root}${'_'.repeat(22)}`]) {
    assert.equal(parseRequestTopic(topic), null, topic);
  }
});
