import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { base64urlnopad, bytesToHex, concatBytes, hexToBytes } from '../../src/core/bytes.ts';
import type { CborMap } from '../../src/core/cbor.ts';
import {
  COSE,
  decodeMac0,
  decodeProtected,
  decodeSign1,
  encodeMac0,
  encodeSign1,
  mac0Tag,
  type Sign1,
  sign1ToBeSigned,
} from '../../src/core/cose.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { IMPLEMENTATIONS } from '../support/handshake.ts';
import { sharedVectors } from '../support/shared.ts';

interface Example {
  readonly title: string;
  readonly input: {
    readonly sign0?: { readonly key: { readonly x: string; readonly y: string }; readonly external?: string };
    readonly mac0?: { readonly external?: string };
  };
  readonly intermediates: { readonly ToBeSign_hex?: string; readonly ToMac_hex?: string; readonly CEK_hex?: string };
  readonly output: { readonly cbor: string };
}

/**
 * What our strict profile makes of each example of the COSE working group:
 * `holds`, or `false` (in profile, and the signature or tag does not hold), or why it is out of profile.
 */
type Expectation = 'holds' | 'false' | { readonly outOfProfile: string };

const NOT_PROTECTED = { outOfProfile: 'the algorithm must be protected, and an empty header is an empty byte string' };
const NOT_ES256 = { outOfProfile: 'ES256 is the only signature algorithm' };
const NOT_HMAC_256 = { outOfProfile: 'HMAC 256/256 is the only MAC algorithm' };
const NO_SIGN1 = { outOfProfile: 'a COSE_Sign1 carries tag 18' };
const ONE_SIGNER = { outOfProfile: 'COSE_Sign (many signers) and COSE_Mac (many recipients) are not used' };

const SIGN1: Readonly<Record<string, Expectation>> = {
  'sign1-tests/sign-pass-01': NOT_PROTECTED,
  'sign1-tests/sign-pass-02': 'holds',
  'sign1-tests/sign-pass-03': NO_SIGN1,
  'sign1-tests/sign-fail-01': NO_SIGN1,
  'sign1-tests/sign-fail-02': 'false',
  'sign1-tests/sign-fail-03': NOT_ES256,
  'sign1-tests/sign-fail-04': NOT_ES256,
  'sign1-tests/sign-fail-06': 'false',
  'sign1-tests/sign-fail-07': 'false',
  'ecdsa-examples/ecdsa-sig-01': 'holds',
  'ecdsa-examples/ecdsa-sig-02': NOT_ES256,
  'ecdsa-examples/ecdsa-sig-03': NOT_ES256,
  'ecdsa-examples/ecdsa-sig-04': NOT_ES256,
  'ecdsa-examples/ecdsa-01': ONE_SIGNER,
  'ecdsa-examples/ecdsa-02': ONE_SIGNER,
  'ecdsa-examples/ecdsa-03': ONE_SIGNER,
  'ecdsa-examples/ecdsa-04': ONE_SIGNER,
  'x509-examples/signed-01': ONE_SIGNER,
  'x509-examples/signed-02': ONE_SIGNER,
  'x509-examples/signed-03': ONE_SIGNER,
  'x509-examples/signed-04': ONE_SIGNER,
  'x509-examples/signed-05': ONE_SIGNER,
};

const MAC0: Readonly<Record<string, Expectation>> = {
  'mac0-tests/HMac-01': 'holds',
  'mac0-tests/mac-pass-01': NOT_PROTECTED,
  'mac0-tests/mac-pass-02': NOT_PROTECTED,
  'mac0-tests/mac-pass-03': NOT_PROTECTED,
  'mac0-tests/mac-fail-01': { outOfProfile: 'tag 992 is not that of a COSE_Mac0' },
  'mac0-tests/mac-fail-02': 'false',
  'mac0-tests/mac-fail-03': NOT_HMAC_256,
  'mac0-tests/mac-fail-04': NOT_HMAC_256,
  'mac0-tests/mac-fail-06': { outOfProfile: 'the protected header holds the algorithm only' },
  'mac0-tests/mac-fail-07': 'false',
  'hmac-examples/HMac-enc-01': 'holds',
  'hmac-examples/HMac-enc-02': NOT_HMAC_256,
  'hmac-examples/HMac-enc-03': NOT_HMAC_256,
  'hmac-examples/HMac-enc-04': 'false',
  'hmac-examples/HMac-enc-05': NOT_HMAC_256,
  'hmac-examples/HMac-01': ONE_SIGNER,
  'hmac-examples/HMac-02': ONE_SIGNER,
  'hmac-examples/HMac-03': ONE_SIGNER,
  'hmac-examples/HMac-04': ONE_SIGNER,
  'hmac-examples/HMac-05': ONE_SIGNER,
};

const MAC0_TAG = 0xd1;

function load(name: string): ReturnType<typeof sharedVectors<Example>> {
  return sharedVectors<Example>(`cose/${name}.json`);
}

/** The protected header of a Sign1 that our verifiers would look at; out of profile throws `malformed`. */
function es256Header(sign1: Sign1): CborMap {
  const header = decodeProtected(sign1.protectedBytes);
  assert.equal(header.get(COSE.alg), COSE.algEs256, 'another algorithm');
  return header;
}

function checkSign1({ input, intermediates, output }: Example, expectation: Expectation): void {
  const data = hexToBytes(output.cbor.toLowerCase());
  if (typeof expectation !== 'string') {
    assert.throws(
      () => es256Header(decodeSign1(data)),
      (error) => isSealwireError(error, 'malformed') || error instanceof assert.AssertionError,
    );
    return;
  }
  const sign1 = decodeSign1(data);
  es256Header(sign1);
  assert.deepEqual(encodeSign1(sign1), data);
  const key = input.sign0?.key;
  assert.ok(key && sign1.payload);
  const point = concatBytes(Uint8Array.of(4), base64urlnopad.decode(key.x), base64urlnopad.decode(key.y));
  const external = hexToBytes(input.sign0?.external ?? '');
  const toBeSigned = sign1ToBeSigned(sign1.protectedBytes, sign1.payload, external);
  if (expectation === 'holds') assert.equal(bytesToHex(toBeSigned), intermediates.ToBeSign_hex?.toLowerCase());
  for (const { verifier } of IMPLEMENTATIONS) {
    assert.equal(verifier(point).verify(toBeSigned, sign1.signature), expectation === 'holds');
  }
}

function checkMac0({ input, intermediates, output }: Example, expectation: Expectation): void {
  const tagged = hexToBytes(output.cbor.toLowerCase());
  // Ours stands inside a label, untagged.
  const data = tagged[0] === MAC0_TAG ? tagged.subarray(1) : tagged;
  if (typeof expectation !== 'string') {
    assert.throws(
      () => decodeMac0(data),
      (error) => isSealwireError(error, 'malformed'),
    );
    return;
  }
  const mac0 = decodeMac0(data);
  assert.deepEqual(encodeMac0(mac0), data);
  const key = hexToBytes(intermediates.CEK_hex?.toLowerCase() ?? '');
  for (const { crypto } of IMPLEMENTATIONS) {
    const tag = mac0Tag(crypto, key, mac0.payload, hexToBytes(input.mac0?.external ?? ''));
    assert.equal(bytesToHex(tag) === bytesToHex(mac0.tag), expectation === 'holds');
  }
}

for (const [structure, table, check] of [
  ['COSE_Sign1', SIGN1, checkSign1],
  ['COSE_Mac0', MAC0, checkMac0],
] as const) {
  describe(`${structure}: the working group’s examples`, () => {
    for (const [name, expectation] of Object.entries(table)) {
      const file = load(name);
      const verdict = typeof expectation === 'string' ? expectation : `out of profile: ${expectation.outOfProfile}`;
      test(`${name}: ${verdict}`, { skip: file.skip }, () => {
        if (file.skip === false) check(file.data, expectation);
      });
    }
  });
}

test('no example is left out', { skip: load('sign1-tests/sign-pass-02').skip }, () => {
  const root = new URL('../../../shared/vectors/cose/', import.meta.url);
  const files = readdirSync(root).flatMap((folder) =>
    readdirSync(new URL(`${folder}/`, root)).map((file) => `${folder}/${file.replace('.json', '')}`),
  );
  assert.deepEqual(files.sort(), [...Object.keys(SIGN1), ...Object.keys(MAC0)].sort());
});
