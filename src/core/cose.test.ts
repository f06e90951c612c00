import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concatBytes, hexToBytes } from './bytes.ts';
import { type CborMap, type CborValue, encodeCbor, Tagged } from './cbor.ts';
import { decodeMac0, decodeProtected, decodeSign1, encodeMac0, encodeSign1, mac0Tag, sign1ToBeSigned } from './cose.ts';
import { nobleCrypto } from './crypto/noble.ts';
import { isSealwireError } from './errors.ts';

const seed = 20260701;
const bytes = fc.uint8Array({ maxLength: 300 });

function refuses(action: () => unknown): void {
  assert.throws(action, (error) => isSealwireError(error, 'malformed'));
}

test('a COSE_Sign1 comes back as it was written, and is what the general encoder makes', () => {
  const unprotected: fc.Arbitrary<CborMap> = fc.constantFrom<CborMap>(new Map(), new Map([[4, new Uint8Array(3)]]));
  fc.assert(
    fc.property(bytes, unprotected, fc.option(bytes), bytes, (protectedBytes, header, payload, signature) => {
      const sign1 = { protectedBytes, unprotected: header, payload, signature };
      const encoded = encodeSign1(sign1);
      assert.deepEqual(decodeSign1(encoded), sign1);
      assert.deepEqual(encoded, encodeCbor(new Tagged(18, [protectedBytes, header, payload, signature])));
    }),
    { seed },
  );
});

test('the signed and the MACed structures are those of RFC 9052', () => {
  fc.assert(
    fc.property(bytes, bytes, bytes, (protectedBytes, payload, aad) => {
      const signed = encodeCbor(['Signature1', protectedBytes, aad, payload]);
      assert.deepEqual(sign1ToBeSigned(protectedBytes, payload, aad), signed);
      const maced = encodeCbor(['MAC0', encodeCbor(new Map([[1, 5]])), aad, payload]);
      assert.deepEqual(mac0Tag(nobleCrypto, protectedBytes, payload, aad), nobleCrypto.hmac(protectedBytes, maced));
    }),
    { seed },
  );
});

test('a COSE_Mac0 comes back as it was written', () => {
  fc.assert(
    fc.property(bytes, fc.uint8Array({ minLength: 32, maxLength: 32 }), (payload, tag) => {
      const encoded = encodeMac0({ payload, tag });
      assert.deepEqual(decodeMac0(encoded), { payload, tag });
      assert.deepEqual(encoded, encodeCbor([hexToBytes('a10105'), new Map(), payload, tag]));
    }),
    { seed },
  );
});

const empty = new Uint8Array(0);
const notSign1: Record<string, CborValue> = {
  'no tag': [empty, new Map(), empty, empty],
  'three fields': new Tagged(18, [empty, new Map(), empty]),
  'five fields': new Tagged(18, [empty, new Map(), empty, empty, empty]),
  'a map in the tag': new Tagged(18, new Map()),
  'a protected header that is a map': new Tagged(18, [new Map(), new Map(), empty, empty]),
  'an unprotected header that is bytes': new Tagged(18, [empty, empty, empty, empty]),
  'a payload that is text': new Tagged(18, [empty, new Map(), '', empty]),
  'a signature of null': new Tagged(18, [empty, new Map(), empty, null]),
};

for (const [what, item] of Object.entries(notSign1)) {
  test(`a COSE_Sign1 is refused with ${what}`, () => refuses(() => decodeSign1(encodeCbor(item))));
}

const mac0Header = hexToBytes('a10105');
const tag = new Uint8Array(32);
const notMac0: Record<string, CborValue> = {
  'another algorithm': [hexToBytes('a10104'), new Map(), empty, tag],
  'a header not in its one encoding': [hexToBytes('a1011805'), new Map(), empty, tag],
  'something unprotected': [mac0Header, new Map([[1, 5]]), empty, tag],
  'no payload': [mac0Header, new Map(), null, tag],
  'a short tag': [mac0Header, new Map(), empty, tag.subarray(1)],
  'three fields': [mac0Header, new Map(), empty],
  'tag 17': new Map([[17, [mac0Header, new Map(), empty, tag]]]),
};

for (const [what, item] of Object.entries(notMac0)) {
  test(`a COSE_Mac0 is refused with ${what}`, () => refuses(() => decodeMac0(encodeCbor(item))));
}

test('a protected header is a map that is not empty, or no bytes at all', () => {
  assert.equal(decodeProtected(empty).size, 0);
  refuses(() => decodeProtected(Uint8Array.of(0xa0)));
  refuses(() => decodeProtected(Uint8Array.of(0x80)));
  refuses(() => decodeProtected(concatBytes(mac0Header, Uint8Array.of(0))));
});
