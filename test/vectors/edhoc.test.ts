import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import { concatBytes, hexToBytes } from '../../src/core/bytes.ts';
import { decodeCbor } from '../../src/core/cbor.ts';
import { nobleCrypto, nobleVerifier } from '../../src/core/crypto/noble.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { type Credential, credentialFromIdCred } from '../../src/core/handshake/credential.ts';
import { type Suite, suite2, suite5 } from '../../src/core/handshake/suites.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { fixedCrypto, type Party, runHandshake } from '../support/handshake.ts';
import { sharedVectors } from '../support/shared.ts';

interface Vector extends Record<string, string | number> {
  readonly method: number;
  readonly suite: number;
  readonly id_cred: string;
}

const vectors = sharedVectors<{ readonly vectors: readonly Vector[] }>('edhoc/derived_method0_p256_rfc9528.json');
const implementations = [
  { name: 'node', crypto: nodeCrypto, verifier: nodeVerifier, suites: [2, 3, 5] },
  { name: 'noble', crypto: nobleCrypto, verifier: nobleVerifier, suites: [5] },
] as const;

/** Suite 3, which is not shipped: suite 2 with tags of 16 bytes. */
function suite3(crypto: Crypto): Suite {
  const base = suite2(crypto);
  const options = { authTagLength: 16 } as const;
  return {
    ...base,
    id: 3,
    macBytes: 16,
    aead: {
      ...base.aead,
      tagBytes: 16,
      seal(key, nonce, aad, plaintext) {
        const cipher = createCipheriv('aes-128-ccm', key, nonce, options);
        cipher.setAAD(aad, { plaintextLength: plaintext.length });
        const body = cipher.update(plaintext);
        cipher.final();
        return new Uint8Array(concatBytes(body, cipher.getAuthTag()));
      },
      open(key, nonce, aad, sealed) {
        const cipher = createDecipheriv('aes-128-ccm', key, nonce, options);
        cipher.setAuthTag(sealed.subarray(sealed.length - 16));
        cipher.setAAD(aad, { plaintextLength: sealed.length - 16 });
        try {
          return new Uint8Array(cipher.update(sealed.subarray(0, sealed.length - 16)));
        } catch {
          return null;
        }
      },
    },
  };
}

const SUITES: Readonly<Record<number, (crypto: Crypto) => Suite>> = { 2: suite2, 3: suite3, 5: suite5 };

function bytes(vector: Vector, field: string): Uint8Array {
  return hexToBytes(String(vector[field]));
}

function credentialOf(vector: Vector, field: string): Credential {
  const idCred = decodeCbor(bytes(vector, field));
  assert.ok(idCred instanceof Map);
  return credentialFromIdCred(idCred);
}

function partyOf(
  vector: Vector,
  implementation: (typeof implementations)[number],
  side: 'I' | 'R',
): Party & { readonly certificate: Uint8Array } {
  const ephemeral = side === 'I' ? 'X' : 'Y';
  const crypto = fixedCrypto(implementation.crypto, {
    random: bytes(vector, `C_${side}`),
    privateKey: bytes(vector, ephemeral),
    publicX: bytes(vector, `G_${ephemeral}`),
  });
  const makeSuite = SUITES[vector.suite];
  assert.ok(makeSuite);
  const other = side === 'I' ? 'R' : 'I';
  const secret = bytes(vector, `SK_${side}`);
  const certificate = bytes(vector, `cert_${side}`);
  return {
    crypto,
    certificate,
    suites: [makeSuite(crypto)],
    own: {
      publicKey: p256.getPublicKey(secret, false),
      certificate,
      credential: credentialOf(vector, `ID_CRED_${side}`),
    },
    sign: (toBeSigned) => p256.sign(toBeSigned, secret, { lowS: false }),
    verify: (publicKey, toBeVerified, signature) => {
      const verdict = implementation.verifier(publicKey).verify(toBeVerified, signature);
      assert.equal(typeof verdict, 'boolean');
      return verdict === true;
    },
    find: (credential) => ({
      publicKey: p256.getPublicKey(bytes(vector, `SK_${other}`), false),
      accepted: true,
      ...(credential.type === 'x5t' ? { certificate: bytes(vector, `cert_${other}`) } : {}),
    }),
  };
}

describe('EDHOC method 0 over P-256, byte for byte', { skip: vectors.skip }, () => {
  if (vectors.skip !== false) return;
  assert.equal(vectors.data.vectors.length, 6);
  for (const implementation of implementations) {
    const { suites } = implementation;
    for (const vector of vectors.data.vectors.filter(({ suite }) => suites.some((id) => id === suite))) {
      test(`suite ${vector.suite}, ${vector.id_cred}, ${implementation.name}`, () => {
        const run = runHandshake(partyOf(vector, implementation, 'I'), partyOf(vector, implementation, 'R'));
        assert.deepEqual(run.message1, bytes(vector, 'message_1'));
        assert.deepEqual(run.toBeSigned2, bytes(vector, 'TBS_2'));
        assert.deepEqual(run.message2, bytes(vector, 'message_2'));
        assert.deepEqual(run.toBeSigned3, bytes(vector, 'TBS_3'));
        assert.deepEqual(run.message3, bytes(vector, 'message_3'));
        assert.deepEqual(run.message4, bytes(vector, 'message_4_empty_ead'));
        for (const side of [run.initiator, run.responder]) {
          const exported = side.exporter(0, new Uint8Array(0), 32);
          assert.deepEqual(exported, bytes(vector, 'exporter_label0_ctx_empty_len32'));
        }
      });
    }
  }
});
