import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Forgery, forgeFrame, planOf, SENDER, START, signAs, withHighS } from '../../../test/support/frames.ts';
import { concatBytes, utf8ToBytes } from '../bytes.ts';
import { type CborValue, decodeCbor, encodeCbor, type Tagged } from '../cbor.ts';
import { isSealwireError } from '../errors.ts';
import { KIND } from '../kinds.ts';
import { LABEL_BYTES_MAX } from '../limits.ts';
import { decodeLabel, draftLabel, encodeLabelHeader, isOpenKind, type Label, type LabelHeader } from './label.ts';

const seed = 20260701;
const mac0 = { payload: new Uint8Array(32).fill(5), tag: new Uint8Array(32).fill(6) };

/** An honest signature's form; nothing in this file looks at its truth. */
const SIGNATURE = signAs(SENDER, utf8ToBytes('anything'));

function labelOf(header: LabelHeader): Uint8Array {
  return draftLabel(encodeLabelHeader(header), mac0).finish(SIGNATURE);
}

function headerOf({
  bytes: _b,
  protectedBytes: _p,
  content: _c,
  mac: _m,
  signature: _s,
  toBeVerified: _t,
  ...header
}: Label): LabelHeader {
  return header;
}

const example: LabelHeader = {
  ...planOf(),
  tokenId: new Uint8Array(16).fill(4),
  ratchetId: START.ratchetId,
  seq: 7,
};

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('%', ':', '3', 'A', '2', '5', '/', '+', '#'),
    fc.string({ unit: 'grapheme', maxLength: 1 }),
  ),
  maxLength: 40,
});
const frameKind = fc.constantFrom(
  KIND.message,
  KIND.end,
  KIND.grant,
  KIND.grantAck,
  KIND.grantRequest,
  KIND.deliveryReceipt,
  KIND.cannotOpen,
  KIND.roster,
  KIND.ledgerReceipt,
  KIND.ledgerHead,
);
const noNullPrototype = { noNullPrototype: true };
const anyHeader: fc.Arbitrary<LabelHeader> = fc.record(
  {
    kind: frameKind,
    senderId: bytes(32),
    rosterName: text,
    topic: text,
    expiresAtS: fc.option(fc.maxSafeNat()),
    issuedAtS: fc.maxSafeNat(),
    tokenId: bytes(16),
    channel: fc.option(text),
    ratchetId: bytes(16),
    seq: fc.maxSafeNat(),
    roster: fc.option(fc.record({ version: fc.maxSafeNat(), hash: bytes(16) }, noNullPrototype)),
    head: fc.option(fc.record({ treeSize: fc.maxSafeNat(), root: bytes(32) }, noNullPrototype)),
  },
  noNullPrototype,
);

test('every field comes back as it was written', () => {
  fc.assert(
    fc.property(anyHeader, (header) => {
      const encoded = labelOf(header);
      const label = decodeLabel(encoded);
      assert.deepEqual(headerOf(label), header);
      assert.deepEqual(label.bytes, encoded);
      assert.deepEqual(label.protectedBytes, encodeLabelHeader(header));
      assert.deepEqual(label.content, mac0.payload);
      assert.deepEqual(label.mac, mac0.tag);
      assert.deepEqual(label.signature, SIGNATURE);
      assert.deepEqual(label.toBeVerified, draftLabel(encodeLabelHeader(header), mac0).toBeSigned);
    }),
    { seed, numRuns: 300 },
  );
});

test('a label written by hand is the same as one that the general encoder makes', () => {
  fc.assert(
    fc.property(anyHeader, (header) => {
      const encoded = labelOf(header);
      assert.deepEqual(encodeCbor(decodeCbor(encoded)), encoded);
      const { protectedBytes } = decodeLabel(encoded);
      assert.deepEqual(encodeCbor(decodeCbor(protectedBytes)), protectedBytes);
    }),
    { seed },
  );
});

/** The subject claim as it lies in a label for `topic`. */
function subjectFor(topic: string): CborValue | undefined {
  const header = decodeCbor(encodeLabelHeader({ ...example, topic })) as Map<number, CborValue>;
  return (header.get(15) as Map<number, CborValue>).get(2);
}

test('a topic stands percent-encoded, % and : only', () => {
  assert.equal(subjectFor('plant/boiler 1/t+#$ü'), 'plant/boiler 1/t+#$ü');
  assert.equal(subjectFor('a:b'), 'a%3Ab');
  assert.equal(subjectFor('50%'), '50%25');
  assert.equal(subjectFor('%3A'), '%253A');
  assert.equal(subjectFor('%25:%'), '%2525%3A%25');
});

/** The label of a frame that differs from an honest one as `forgery` says. */
function forgeLabel(forgery: Forgery): Uint8Array {
  const [label] = decodeCbor(forgeFrame(forgery)) as [Tagged];
  return encodeCbor(label);
}

function refuses(label: Uint8Array, code: string): void {
  assert.throws(
    () => decodeLabel(label),
    (error) => isSealwireError(error) && error.code === code,
  );
}

test('the honest frame that all forgeries start from is read', () => {
  assert.equal(decodeLabel(forgeLabel({})).kind, KIND.message);
  assert.equal(decodeLabel(forgeLabel({ own: (own) => own.splice(5, 1, [3, new Uint8Array(16)]) })).roster?.version, 3);
});

const setHeader =
  (key: number, value: CborValue): NonNullable<Forgery['header']> =>
  (header) =>
    void header.set(key, value);
const setClaim =
  (key: number, value: CborValue): NonNullable<Forgery['claims']> =>
  (claims) =>
    void claims.set(key, value);
const setOwn =
  (at: number, value: CborValue): NonNullable<Forgery['own']> =>
  (own) =>
    void own.splice(at, 1, value);
const setMac0 =
  (at: number, value: CborValue): NonNullable<Forgery['mac0']> =>
  (fields) =>
    void fields.splice(at, 1, value);
const setLabel =
  (at: number, value: CborValue): NonNullable<Forgery['label']> =>
  (fields) =>
    void fields.splice(at, 1, value);

const LONG = 'x'.repeat(513);
const malformed: Record<string, Forgery> = {
  'another algorithm': { header: setHeader(1, -8) },
  'no algorithm': { header: (header) => void header.delete(1) },
  'another content type': { header: setHeader(3, 18) },
  'a sender of 31 bytes': { header: setHeader(4, new Uint8Array(31)) },
  'a sender that is text': { header: setHeader(4, 'x'.repeat(32)) },
  'no claims': { header: (header) => void header.delete(15) },
  'claims that are an array': { header: setHeader(15, [1, 2]) },
  'one more header parameter': { header: setHeader(33, new Uint8Array(3)) },
  'a critical header parameter': { header: setHeader(2, [1]) },
  'a roster name that is a number': { claims: setClaim(1, 5) },
  'a long roster name': { claims: setClaim(1, LONG) },
  'no roster name': { claims: (claims) => void claims.delete(1) },
  'no topic': { claims: (claims) => void claims.delete(2) },
  'a topic of bytes': { claims: setClaim(2, new Uint8Array(4)) },
  'a long topic': { claims: setClaim(2, LONG) },
  'a topic long in bytes only': { claims: setClaim(2, '€'.repeat(171)) },
  'a topic with a bare colon': { claims: setClaim(2, 'a:b') },
  'a topic with a bare percent sign': { claims: setClaim(2, '50%') },
  'a topic with a lower-case code': { claims: setClaim(2, 'a%3ab') },
  'a topic with a needless code': { claims: setClaim(2, '%41') },
  'an expiry that is text': { claims: setClaim(4, 'tomorrow') },
  'an expiry of null': { claims: setClaim(4, null) },
  'a negative expiry': { claims: setClaim(4, -1) },
  'an expiry over 2^53': { claims: setClaim(4, 2n ** 53n) },
  'no time': { claims: (claims) => void claims.delete(6) },
  'a negative time': { claims: setClaim(6, -1) },
  'no token id': { claims: (claims) => void claims.delete(7) },
  'a token id of 15 bytes': { claims: setClaim(7, new Uint8Array(15)) },
  'one more claim': { claims: setClaim(5, 1) },
  'a claim in place of another': {
    claims(claims) {
      claims.delete(7);
      claims.set(8, new Uint8Array(16));
    },
  },
  'a claim under text': { header: setHeader(15, new Map<string, CborValue>([['iss', '']])) },
  'no parameter −65537': { header: (header) => void header.delete(-65537) },
  'parameter −65537 as a map': { header: setHeader(-65537, new Map([[1, 1]])) },
  'six elements': { own: (own) => void own.pop() },
  'eight elements': { own: (own) => void own.push(null) },
  'kind 0': { own: setOwn(0, 0) },
  'a kind that is text': { own: setOwn(0, 'message') },
  'an unknown kind': { own: setOwn(0, 11) },
  "the kind of a notary's statement": { own: setOwn(0, KIND.identity) },
  'the kind of a block': { own: setOwn(0, KIND.block) },
  'a channel that is a number': { own: setOwn(2, 1) },
  'a long channel': { own: setOwn(2, LONG) },
  'a ratchet id of 17 bytes': { own: setOwn(3, new Uint8Array(17)) },
  'no ratchet id': { own: setOwn(3, null) },
  'a negative seq': { own: setOwn(4, -1) },
  'a seq over 2^53': { own: setOwn(4, 2n ** 53n) },
  'a seq that is null': { own: setOwn(4, null) },
  'a roster that is a number': { own: setOwn(5, 3) },
  'a roster of three': { own: setOwn(5, [3, new Uint8Array(16), 0]) },
  'a roster hash of 32 bytes': { own: setOwn(5, [3, new Uint8Array(32)]) },
  'a negative roster version': { own: setOwn(5, [-3, new Uint8Array(16)]) },
  'a head of one': { own: setOwn(6, [3]) },
  'a head with a root of 31 bytes': { own: setOwn(6, [3, new Uint8Array(31)]) },
  'a head with a tree size of text': { own: setOwn(6, ['3', new Uint8Array(32)]) },
  'an empty protected header': { protectedBytes: () => new Uint8Array(0) },
  'an empty map as protected header': { protectedBytes: () => Uint8Array.of(0xa0) },
  'a protected header not in its one encoding': {
    protectedBytes: (encoded) => concatBytes(Uint8Array.of(0xb8, 5), encoded.subarray(1)),
  },
  'bytes after the protected header': { protectedBytes: (encoded) => concatBytes(encoded, Uint8Array.of(0)) },
  'another MAC algorithm': { mac0: setMac0(0, encodeCbor(new Map([[1, 4]]))) },
  'an unprotected MAC header': { mac0: setMac0(1, new Map([[4, new Uint8Array(1)]])) },
  'no MAC payload': { mac0: setMac0(2, null) },
  'an HMAC of 16 bytes': { mac0: setMac0(3, new Uint8Array(16)) },
  'an HMAC that is null': { mac0: setMac0(3, null) },
  'a Mac0 of five': { mac0: (fields) => void fields.push(0) },
  'an unprotected header': { label: setLabel(1, new Map([[4, new Uint8Array(32)]])) },
  'an unprotected header that is an array': { label: setLabel(1, []) },
  'a detached payload': { label: setLabel(2, null) },
  'a payload that is text': { label: setLabel(2, 'payload') },
  'bytes after the payload': {
    label: (fields) => void fields.splice(2, 1, concatBytes(fields[2] as Uint8Array, Uint8Array.of(0))),
  },
  'a signature that is null': { label: setLabel(3, null) },
  'three fields': { label: (fields) => void fields.pop() },
  'five fields': { label: (fields) => void fields.push(new Uint8Array(0)) },
};

for (const [what, forgery] of Object.entries(malformed)) {
  test(`refused: ${what}`, () => refuses(forgeLabel(forgery), 'malformed'));
}

test('refused: another version, told as such', () => {
  for (const version of [0, 2, 99]) refuses(forgeLabel({ own: setOwn(1, version) }), 'unsupported');
  refuses(forgeLabel({ own: (own) => void own.splice(1, own.length, 2) }), 'unsupported');
});

test('refused: a signature with high s, or of another length', () => {
  refuses(forgeLabel({ signature: withHighS }), 'signature-invalid');
  for (const length of [0, 63, 65, 71]) {
    refuses(forgeLabel({ signature: () => new Uint8Array(length) }), 'signature-invalid');
  }
});

test('refused: no tag, another item, bytes before or after', () => {
  const label = forgeLabel({});
  refuses(label.subarray(1), 'malformed');
  refuses(concatBytes(Uint8Array.of(0xd1), label.subarray(1)), 'malformed');
  refuses(concatBytes(label, Uint8Array.of(0)), 'malformed');
  refuses(encodeCbor(0), 'malformed');
  refuses(encodeCbor('label'), 'malformed');
});

test('a label is bounded, alone and in a frame', () => {
  const content = new Uint8Array(LABEL_BYTES_MAX);
  refuses(forgeLabel({ kind: KIND.end, content }), 'too-large');
});

test('open kinds are the end and the delivery receipt', () => {
  const open = Object.values(KIND).filter(isOpenKind);
  assert.deepEqual(open, [KIND.end, KIND.deliveryReceipt]);
});

test('any altered label is refused, or is the one encoding of what was read', () => {
  const flips = fc.array(fc.record({ at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }), {
    minLength: 1,
    maxLength: 2,
  });
  fc.assert(
    fc.property(anyHeader, flips, (header, changes) => {
      const altered = labelOf(header).slice();
      for (const { at, mask } of changes) altered[at % altered.length] = (altered[at % altered.length] ?? 0) ^ mask;
      let label: Label;
      try {
        label = decodeLabel(altered);
      } catch (error) {
        assert.ok(isSealwireError(error));
        return;
      }
      const protectedBytes = encodeLabelHeader(headerOf(label));
      const again = draftLabel(protectedBytes, { payload: label.content, tag: label.mac }).finish(label.signature);
      assert.deepEqual(again, altered);
      assert.deepEqual(encodeCbor(decodeCbor(altered)), altered);
    }),
    { seed, numRuns: 1500 },
  );
});
