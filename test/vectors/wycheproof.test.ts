import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytesToHex, hexToBytes } from '../../src/core/bytes.ts';
import { HKDF_BYTES_MAX } from '../../src/core/crypto/hkdf.ts';
import { type ErrorCode, isSealwireError } from '../../src/core/errors.ts';
import { IMPLEMENTATIONS } from '../support/handshake.ts';
import { sharedVectors } from '../support/shared.ts';

interface Case {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: 'valid' | 'invalid' | 'acceptable';
}
interface File<Group> {
  readonly numberOfTests: number;
  readonly testGroups: readonly Group[];
}
type Group<Test extends Case> = { readonly tests: readonly Test[] };

type SignatureGroup = Group<Case & { readonly msg: string; readonly sig: string }> & {
  readonly publicKey: { readonly uncompressed: string };
};
type AgreementGroup = Group<Case & { readonly public: string; readonly private: string; readonly shared: string }>;
type DerivationGroup = Group<
  Case & {
    readonly ikm: string;
    readonly salt: string;
    readonly info: string;
    readonly size: number;
    readonly okm: string;
  }
>;
type MacGroup = Group<Case & { readonly key: string; readonly msg: string; readonly tag: string }> & {
  readonly tagSize: number;
};

const signatures = sharedVectors<File<SignatureGroup>>('wycheproof/ecdsa_secp256r1_sha256_p1363_test.json');
const agreements = sharedVectors<File<AgreementGroup>>('wycheproof/ecdh_secp256r1_ecpoint_test.json');
const derivations = sharedVectors<File<DerivationGroup>>('wycheproof/hkdf_sha256_test.json');
const macs = sharedVectors<File<MacGroup>>('wycheproof/hmac_sha256_test.json');

/** Every case of a file; the counts keep a file that lost its cases from passing. */
function cases<Test extends Case>(file: { readonly data: File<Group<Test>> }, number: number): readonly Test[] {
  const all = file.data.testGroups.flatMap((group) => group.tests);
  assert.equal(all.length, number);
  assert.equal(file.data.numberOfTests, number);
  return all;
}

/** Java writes integers with a leading zero, or without leading zeros. */
function scalar(hex: string): Uint8Array {
  return hexToBytes(hex.slice(-64).padStart(64, '0'));
}

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isSealwireError(error, code);
}

for (const { name, crypto, verifier } of IMPLEMENTATIONS) {
  describe(`Wycheproof (${name})`, () => {
    test('ECDSA P-256, SHA-256, r ‖ s', { skip: signatures.skip }, () => {
      if (signatures.skip !== false) return;
      cases(signatures, 262);
      for (const group of signatures.data.testGroups) {
        const { verify } = verifier(hexToBytes(group.publicKey.uncompressed));
        for (const { tcId, comment, msg, sig, result } of group.tests) {
          const held = verify(hexToBytes(msg), hexToBytes(sig));
          assert.equal(held, result === 'valid', `${tcId}: ${comment}`);
        }
      }
    });

    test('ECDH P-256 with points', { skip: agreements.skip }, () => {
      if (agreements.skip !== false) return;
      let agreed = 0;
      for (const { tcId, comment, flags, public: point, private: secret, shared, result } of cases(agreements, 355)) {
        const peer = hexToBytes(point);
        const compressed = peer.length === 33;
        // Our keys travel as x alone, so a point whose only fault is y or its form is none that we can be given.
        const isOnlyX = peer.length === 65 || compressed;
        if (!isOnlyX) continue;
        const x = peer.subarray(1, 33);
        const agree = (): Uint8Array => crypto.ecdh(scalar(secret), x);
        if (result === 'invalid' && compressed) {
          assert.throws(agree, refused('key-invalid'), `${tcId}: ${comment}`);
        } else if (result !== 'invalid') {
          assert.equal(bytesToHex(agree()), shared, `${tcId}: ${comment}, ${flags.join(' ')}`);
          agreed += 1;
        }
        if (!compressed) checkWholePoint(verifier, peer, result !== 'invalid', `${tcId}: ${comment}`);
      }
      assert.ok(agreed > 200, `only ${agreed} agreed`);
    });

    test('HKDF-SHA-256', { skip: derivations.skip }, () => {
      if (derivations.skip !== false) return;
      for (const { tcId, comment, ikm, salt, info, size, okm, result } of cases(derivations, 86)) {
        const derive = (): Uint8Array =>
          crypto.hkdfExpand(crypto.hkdfExtract(hexToBytes(salt), hexToBytes(ikm)), hexToBytes(info), size);
        if (size > HKDF_BYTES_MAX) {
          assert.equal(result, 'invalid');
          assert.throws(derive, refused('too-large'), `${tcId}: ${comment}`);
        } else {
          assert.equal(bytesToHex(derive()), okm, `${tcId}: ${comment}`);
        }
      }
    });

    test('HMAC-SHA-256', { skip: macs.skip }, () => {
      if (macs.skip !== false) return;
      cases(macs, 174);
      for (const { tagSize, tests } of macs.data.testGroups) {
        for (const { tcId, comment, key, msg, tag, result } of tests) {
          const computed = bytesToHex(crypto.hmac(hexToBytes(key), hexToBytes(msg)).subarray(0, tagSize / 8));
          assert.equal(computed === tag, result === 'valid', `${tcId}: ${comment}`);
        }
      }
    });
  });
}

/** An uncompressed point is what a certificate's key is: one that is none makes no verifier. */
function checkWholePoint(
  verifier: (typeof IMPLEMENTATIONS)[number]['verifier'],
  point: Uint8Array,
  valid: boolean,
  what: string,
): void {
  if (valid) assert.doesNotThrow(() => verifier(point), what);
  else assert.throws(() => verifier(point), refused('key-invalid'), what);
}
