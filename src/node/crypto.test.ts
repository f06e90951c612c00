import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { base64urlnopad, bytesToHex, hexToBytes } from '../core/bytes.ts';
import { isLowS, toLowS } from '../core/crypto/es256.ts';
import { nobleCrypto, nobleSigner, nobleVerifier } from '../core/crypto/noble.ts';
import type { Crypto } from '../core/crypto/port.ts';
import { isSealwireError } from '../core/errors.ts';
import type { VerifierFactory } from '../core/ports.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from './crypto.ts';

const SEED = 9528;
const ORDER = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';
const FIELD = 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff';

const data = fc.uint8Array({ maxLength: 300 });
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** Private scalars: nearly every string of 32 bytes is one, some with leading zeros. */
const scalar = fc
  .tuple(bytes32, fc.integer({ min: 0, max: 4 }))
  .map(([bytes, zeros]) => bytes.fill(0, 0, zeros))
  .filter((bytes) => bytes.some((byte) => byte !== 0) && bytesToHex(bytes) < ORDER);

/** Both give the same bytes, or both refuse with the same code. */
function equal(run: (crypto: Crypto) => unknown): void {
  const [ours, theirs] = [nodeCrypto, nobleCrypto].map((crypto) => {
    try {
      return { value: run(crypto) };
    } catch (error) {
      assert.ok(isSealwireError(error), String(error));
      return { code: error.code };
    }
  });
  assert.deepEqual(ours, theirs);
}

function holds<T extends [unknown, ...unknown[]]>(
  arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
  run: (...args: T) => void,
): void {
  const inputs = fc.tuple(...arbitraries) as unknown as fc.Arbitrary<T>;
  fc.assert(
    fc.property(inputs, (args) => run(...args)),
    { seed: SEED },
  );
}

function keyObject(secret: Uint8Array, point: Uint8Array): KeyObject {
  const encoded = (part: Uint8Array): string => base64urlnopad.encode(part);
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map(encoded);
  return createPrivateKey({
    key: { kty: 'EC', crv: 'P-256', d: encoded(secret), x: x ?? '', y: y ?? '' },
    format: 'jwk',
  });
}

describe('node:crypto and @noble agree on', () => {
  test('SHA-256', () => holds([data], (input) => equal((crypto) => crypto.sha256(input))));

  test('HMAC-SHA-256 with keys of any length', () =>
    holds([data, data], (key, input) => equal((crypto) => crypto.hmac(key, input))));

  test('HKDF-Extract', () => holds([data, data], (salt, key) => equal((crypto) => crypto.hkdfExtract(salt, key))));

  test('HKDF-Expand to any length, and beyond what it has', () =>
    holds([bytes32, data, fc.oneof(fc.nat(100), fc.integer({ min: 8000, max: 8300 }))], (key, info, length) =>
      equal((crypto) => crypto.hkdfExpand(key, info, length)),
    ));

  test('AES-256-CTR, which undoes itself', () =>
    holds([bytes32, data], (key, input) => {
      equal((crypto) => crypto.aes256Ctr(key, input));
      assert.deepEqual(nodeCrypto.aes256Ctr(key, nobleCrypto.aes256Ctr(key, input)), input);
    }));

  test('ChaCha20-Poly1305, sealed by one and opened by the other', () =>
    holds([bytes32, fc.uint8Array({ minLength: 12, maxLength: 12 }), data, data], (key, nonce, aad, plaintext) => {
      const name = 'chacha20-poly1305';
      equal((crypto) => crypto.aeadSeal(name, key, nonce, aad, plaintext));
      const sealed = nodeCrypto.aeadSeal(name, key, nonce, aad, plaintext);
      equal((crypto) => crypto.aeadOpen(name, key, nonce, aad, sealed));
      assert.deepEqual(nobleCrypto.aeadOpen(name, key, nonce, aad, sealed), plaintext);
    }));

  test('ChaCha20-Poly1305 that was altered or cut: null', () =>
    holds([bytes32, data, fc.nat(), fc.nat(40)], (key, plaintext, at, cut) => {
      const [name, nonce, aad] = ['chacha20-poly1305', new Uint8Array(12), Uint8Array.of(1)] as const;
      const sealed = nodeCrypto.aeadSeal(name, key, nonce, aad, plaintext);
      const altered = sealed.slice();
      altered[at % sealed.length] = (altered[at % sealed.length] ?? 0) ^ 1;
      for (const bad of [altered, sealed.subarray(0, Math.max(0, sealed.length - 1 - cut))]) {
        equal((crypto) => crypto.aeadOpen(name, key, nonce, aad, bad));
        assert.equal(nodeCrypto.aeadOpen(name, key, nonce, aad, bad), null);
      }
      equal((crypto) => crypto.aeadOpen(name, key, nonce, Uint8Array.of(2), sealed));
    }));

  test('ECDH, each side with either', () =>
    holds([scalar, scalar], (one, other) => {
      const [oneX, otherX] = [one, other].map((secret) => nobleSigner(secret).publicKey.subarray(1, 33));
      assert.ok(oneX && otherX);
      equal((crypto) => crypto.ecdh(one, otherX));
      assert.deepEqual(nodeCrypto.ecdh(one, otherX), nobleCrypto.ecdh(other, oneX));
    }));

  test('which x are on the curve: about half of them', () =>
    holds([scalar, bytes32], (secret, x) => equal((crypto) => crypto.ecdh(secret, x))));

  test('ECDH with keys that are none', () => {
    const secret = new Uint8Array(32).fill(7);
    const x = nobleSigner(secret).publicKey.subarray(1, 33);
    const bad = ['00'.repeat(32), FIELD, 'ff'.repeat(32), '', 'ab'.repeat(31), 'ab'.repeat(33)].map(hexToBytes);
    for (const peer of bad) equal((crypto) => crypto.ecdh(secret, peer));
    for (const own of [new Uint8Array(32), hexToBytes(ORDER)]) equal((crypto) => crypto.ecdh(own, x));
    assert.throws(
      () => nodeCrypto.ecdh(secret, hexToBytes(FIELD)),
      (error) => isSealwireError(error, 'key-invalid'),
    );
  });

  test('ephemeral keys: each works in the other', () => {
    for (const [here, there] of [
      [nodeCrypto, nobleCrypto],
      [nobleCrypto, nodeCrypto],
    ] as const) {
      for (let i = 0; i < 20; i++) {
        const [one, other] = [here.generateEphemeral(), there.generateEphemeral()];
        assert.deepEqual([one.privateKey.length, one.publicX.length], [32, 32]);
        assert.deepEqual(here.ecdh(one.privateKey, other.publicX), there.ecdh(other.privateKey, one.publicX));
        assert.deepEqual(one.publicX, nobleSigner(one.privateKey).publicKey.slice(1, 33));
      }
    }
  });

  test('random bytes have the length asked for', () => {
    for (const crypto of [nodeCrypto, nobleCrypto]) {
      for (const length of [0, 1, 16, 100]) assert.equal(crypto.random(length).length, length);
      assert.notDeepEqual(crypto.random(16), crypto.random(16));
    }
  });

  test('plain Uint8Arrays, of which nobody else holds a part', () => {
    const [key, input] = [new Uint8Array(32), Uint8Array.of(1, 2, 3)];
    for (const crypto of [nodeCrypto, nobleCrypto]) {
      const sealed = crypto.aeadSeal('chacha20-poly1305', key, new Uint8Array(12), input, input);
      const { privateKey, publicX } = crypto.generateEphemeral();
      const outputs = [
        crypto.random(8),
        crypto.sha256(input),
        crypto.hmac(key, input),
        crypto.hkdfExtract(key, input),
        crypto.hkdfExpand(key, input, 40),
        crypto.aes256Ctr(key, input),
        sealed,
        crypto.aeadOpen('chacha20-poly1305', key, new Uint8Array(12), input, sealed),
        privateKey,
        publicX,
        crypto.ecdh(privateKey, publicX),
      ];
      for (const output of outputs) assert.equal(output?.constructor, Uint8Array);
    }
  });
});

describe('signatures', () => {
  const verifiers: readonly VerifierFactory[] = [nodeVerifier, nobleVerifier];

  test('of one are valid to the other, have low s, and hold for nothing else', () =>
    holds([scalar, data, fc.nat(63)], (secret, message, at) => {
      const noble = nobleSigner(secret);
      const node = nodeSigner(keyObject(secret, noble.publicKey));
      assert.deepEqual(node.publicKey, noble.publicKey);
      for (const signer of [node, noble]) {
        const signature = signer.sign(message);
        assert.ok(signature instanceof Uint8Array && signature.length === 64 && isLowS(signature));
        const altered = signature.slice();
        altered[at] = (altered[at] ?? 0) ^ 4;
        for (const verifier of verifiers) {
          const { verify } = verifier(signer.publicKey);
          assert.equal(verify(message, signature), true);
          assert.equal(verify(message, altered), false);
          assert.equal(verify(Uint8Array.of(...message, 0), signature), false);
          assert.equal(verify(message, signature.subarray(1)), false);
        }
      }
    }));

  test('with high s verify too; toLowS gives the one we send', () =>
    holds([scalar, data], (secret, message) => {
      const signature = nobleSigner(secret).sign(message) as Uint8Array;
      const high = highS(signature);
      assert.ok(!isLowS(high));
      assert.deepEqual(toLowS(high), signature);
      for (const verifier of verifiers) {
        assert.equal(verifier(nobleSigner(secret).publicKey).verify(message, high), true);
      }
    }));

  test('are checked by the key that was asked for, however many were asked for lately', () => {
    const message = Uint8Array.of(1, 2, 3);
    const signed = Array.from({ length: 150 }, () => {
      const { publicKey, sign } = nodeSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
      return { publicKey, signature: sign(message) as Uint8Array };
    });
    const [first, ...others] = signed;
    for (const { publicKey, signature } of [...others, ...others.toReversed()]) {
      const bytes = publicKey.slice();
      const { verify } = nodeVerifier(bytes);
      bytes.fill(0);
      assert.equal(verify(message, signature), true);
      assert.equal(verify(message, first?.signature ?? signature), false);
    }
  });

  test('of no form at all are false, not an error', () => {
    const { publicKey } = nodeSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    for (const verifier of verifiers) {
      for (const bad of ['', '00'.repeat(64), 'ff'.repeat(64), ORDER + ORDER, '3006020101020101']) {
        assert.equal(verifier(publicKey).verify(Uint8Array.of(1), hexToBytes(bad)), false, bad);
      }
    }
  });

  test('a public key that is no point makes no verifier', () => {
    const { publicKey } = nobleSigner(new Uint8Array(32).fill(1));
    const offCurve = publicKey.slice();
    offCurve[64] = (offCurve[64] ?? 0) ^ 1;
    const compressed = Uint8Array.of(2, ...publicKey.subarray(1, 33));
    const hybrid = Uint8Array.of(6 + ((publicKey[64] ?? 0) & 1), ...publicKey.subarray(1));
    for (const verifier of verifiers) {
      for (const bad of [offCurve, compressed, hybrid, new Uint8Array(65), Uint8Array.of(0), new Uint8Array(0)]) {
        assert.throws(
          () => verifier(bad),
          (error) => isSealwireError(error, 'key-invalid'),
          bytesToHex(bad),
        );
      }
    }
  });
});

test('AES-CCM opens what it sealed, in Node only', () => {
  const [name, key, nonce, aad] = [
    'aes-ccm-16-64-128',
    new Uint8Array(16),
    new Uint8Array(13),
    Uint8Array.of(1),
  ] as const;
  holds([data, fc.nat()], (plaintext, at) => {
    const sealed = nodeCrypto.aeadSeal(name, key, nonce, aad, plaintext);
    assert.equal(sealed.length, plaintext.length + 8);
    assert.deepEqual(nodeCrypto.aeadOpen(name, key, nonce, aad, sealed), plaintext);
    const altered = sealed.slice();
    altered[at % sealed.length] = (altered[at % sealed.length] ?? 0) ^ 1;
    assert.equal(nodeCrypto.aeadOpen(name, key, nonce, aad, altered), null);
    assert.equal(nodeCrypto.aeadOpen(name, key, nonce, aad, sealed.subarray(0, 7)), null);
  });
  for (const run of [nobleCrypto.aeadSeal, nobleCrypto.aeadOpen]) {
    assert.throws(
      () => run(name, key, nonce, aad, new Uint8Array(20)),
      (error) => isSealwireError(error, 'unsupported'),
    );
  }
});

/** The other signature with the same meaning: (r, n − s). */
function highS(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${ORDER}`) - BigInt(`0x${bytesToHex(signature.subarray(32))}`);
  return hexToBytes(bytesToHex(signature.subarray(0, 32)) + s.toString(16).padStart(64, '0'));
}
