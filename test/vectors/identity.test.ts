import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesToHex, hexToBytes } from '../../src/core/bytes.ts';
import { nobleCrypto, nobleSigner, nobleVerifier } from '../../src/core/crypto/noble.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { decodeAnswer } from '../../src/core/enrolment/answer.ts';
import { parseRequestTopic } from '../../src/core/enrolment/enrolment-topic.ts';
import { decodeRequest, isTokenRequest } from '../../src/core/enrolment/request.ts';
import { parseToken, tokenKeys } from '../../src/core/enrolment/token.ts';
import { parseCertificate } from '../../src/core/identity/certificate.ts';
import { draftCertificate } from '../../src/core/identity/certificate-draft.ts';
import {
  formatId,
  identityId,
  idToTopic,
  nameProblem,
  parseId,
  subjectPublicKeyInfo,
} from '../../src/core/identity/id.ts';
import type { Anchor } from '../../src/core/identity/path.ts';
import { safetyNumber } from '../../src/core/identity/safety-number.ts';
import { readSigningRequest } from '../../src/core/identity/signing-request.ts';
import type { VerifierFactory } from '../../src/core/ports.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import {
  certificateResult,
  generate,
  type IdentityVectors,
  type PathVector,
  pathResult,
} from '../../tools/vectors/identity.ts';

const file = new URL('../../vectors/1-identity.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as IdentityVectors;
const implementations: [string, Crypto, VerifierFactory][] = [
  ['noble', nobleCrypto, nobleVerifier],
  ['node', nodeCrypto, nodeVerifier],
];

test('the identity vectors are what the code makes today', async () => {
  assert.deepEqual(vectors, JSON.parse(JSON.stringify(await generate())));
});

for (const [implementation, crypto, makeVerifier] of implementations) {
  test(`ids with ${implementation}`, () => {
    for (const vector of vectors.ids) {
      const { publicKey } = nobleSigner(hexToBytes(vector.privateKey));
      assert.equal(bytesToHex(publicKey), vector.publicKey);
      assert.equal(bytesToHex(subjectPublicKeyInfo(publicKey)), vector.subjectPublicKeyInfo);
      const id = identityId(crypto, publicKey);
      assert.deepEqual([bytesToHex(id), formatId(id), idToTopic(id)], [vector.id, vector.shown, vector.topic]);
      assert.deepEqual(parseId(vector.shown), id);
    }
  });

  test(`safety numbers with ${implementation}`, () => {
    for (const { ids, number } of vectors.safetyNumbers) {
      const [one, other] = ids.map(hexToBytes);
      assert.ok(one && other);
      assert.deepEqual([safetyNumber(crypto, one, other), safetyNumber(crypto, other, one)], [number, number]);
    }
  });

  test(`enrolment with ${implementation}`, async () => {
    for (const vector of vectors.enrolments) {
      const token = parseToken(crypto, vector.token);
      assert.deepEqual([token.authorityId, token.secret].map(bytesToHex), [vector.authorityId, vector.secret]);
      const keys = tokenKeys(crypto, token);
      assert.equal(bytesToHex(keys.tokenId), vector.tokenId);
      assert.deepEqual(parseRequestTopic(vector.requestTopic), { type: 'token', tokenId: keys.tokenId });
      assert.equal(`${vector.requestTopic}/answer`, vector.answerTopic);
      const request = decodeRequest(hexToBytes(vector.request));
      assert.ok(isTokenRequest(crypto, hexToBytes(vector.requestKey), request));
      const { name, publicKey, toBeVerified, signature } = readSigningRequest(request.signingRequest);
      assert.equal(name, vector.name);
      assert.deepEqual(publicKey, nobleSigner(hexToBytes(vector.privateKey)).publicKey);
      assert.ok(await makeVerifier(publicKey).verify(toBeVerified, signature));
      const answers = [vector.refusal, vector.enrolled].map((answer) =>
        decodeAnswer(crypto, hexToBytes(vector.answerKey), request.signingRequest, hexToBytes(answer)),
      );
      assert.deepEqual(
        answers.map(({ type }) => type),
        ['refused', 'enrolled'],
      );
    }
  });

  test(`drafts with ${implementation}`, async () => {
    for (const vector of vectors.drafts) {
      const issuer = vector.issuer === undefined ? undefined : parseCertificate(hexToBytes(vector.issuer));
      const publicKey = hexToBytes(vector.publicKey);
      const { issuer: _, ...fields } = vector;
      const request = { ...fields, publicKey, serial: hexToBytes(vector.serial), ...(issuer ? { issuer } : {}) };
      const draft = draftCertificate(crypto, request);
      assert.equal(bytesToHex(draft.toBeSigned), vector.toBeSigned);
      const signature = hexToBytes(vector.signature);
      assert.equal(bytesToHex(draft.finish(signature)), vector.der);
      assert.ok(await makeVerifier(issuer?.publicKey ?? publicKey).verify(draft.toBeSigned, signature));
    }
  });

  test(`paths with ${implementation}`, async () => {
    for (const { what, chain, anchors, nowMs, ...expected } of vectors.paths) {
      const certificates = chain.map((der) => parseCertificate(hexToBytes(der)));
      const found = await pathResult(certificates, anchors.map(anchorOf), nowMs, makeVerifier, crypto);
      assert.deepEqual(found, expected, what);
    }
  });
}

test('names', () => {
  for (const { name, usable } of vectors.names) assert.equal(nameProblem(name) === undefined, usable, name);
});

test('certificates', () => {
  for (const { what, der, ...expected } of vectors.certificates) {
    assert.deepEqual(certificateResult(hexToBytes(der)), expected, what);
  }
});

function anchorOf({ certificate, id = '', name }: PathVector['anchors'][number]): Anchor {
  if (certificate !== undefined) return parseCertificate(hexToBytes(certificate));
  return name === undefined ? hexToBytes(id) : { name, id: hexToBytes(id) };
}

test("the chapter's example is one of the vectors", () => {
  const chapter = readFileSync(new URL('../../spec/1-identity.md', import.meta.url), 'utf8');
  const example = vectors.ids.find(({ privateKey }) => privateKey.startsWith('03'));
  assert.ok(example);
  assert.ok(chapter.includes(example.shown) && chapter.includes(example.topic));
  assert.ok(chapter.replace(/\s/g, '').includes(example.publicKey));
});
