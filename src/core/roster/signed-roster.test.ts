import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { channelOf } from '../../../test/support/channels.ts';
import { SENDER, signAs, withHighS } from '../../../test/support/frames.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { type CborMap, type CborValue, encodeCbor } from '../cbor.ts';
import { decodeSign1, encodeSign1, type Sign1 } from '../cose.ts';
import { type ErrorCode, isSealwireError } from '../errors.ts';
import { BATCH_MAX, ROSTER_BYTES_MAX, ROTATE_AFTER_FRAMES_MAX, ROTATE_AFTER_MS_MAX } from '../limits.ts';
import type { Channel, Confirmers, Roster, RosterMember } from './roster.ts';
import { decodeRoster, draftRoster, isSelfSigned } from './signed-roster.ts';

const seed = 20260701;
const NAMES = ['boiler', 'Wärter', 'night shift', 'sensors', 'auditor'];
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const some = (values: readonly string[], minLength = 0) => fc.subarray([...values], { minLength });

const member = (name: string): fc.Arbitrary<RosterMember> =>
  fc.oneof(
    fc.record({ type: fc.constant('pin' as const), name: fc.constant(name), id: bytes(32) }, { noNullPrototype: true }),
    fc.record(
      {
        type: fc.constant('issued' as const),
        name: fc.constant(name),
        pattern: fc.constantFrom('*', 'sensor-*', 'a*b*c', '*-ü'),
        certificate: fc.uint8Array({ minLength: 1, maxLength: 600 }),
      },
      { noNullPrototype: true },
    ),
  );

const readersWhoConfirm = some(NAMES).chain((readers) =>
  fc.record(
    { readers: fc.constant(readers), confirmers: fc.oneof(fc.constantFrom('none', 'any', 'all'), some(readers)) },
    { noNullPrototype: true },
  ),
);

const channel = (name: string): fc.Arbitrary<Channel> =>
  fc
    .record(
      {
        filters: some(['plant/#', 'office/+/door', 'a', 'ü/b', '#'], 1),
        ...{ writers: some(NAMES), erasers: some(NAMES), who: readersWhoConfirm },
        rotateAfterMs: fc.integer({ min: 1000, max: ROTATE_AFTER_MS_MAX }),
        rotateAfterFrames: fc.integer({ min: 1, max: ROTATE_AFTER_FRAMES_MAX }),
        ...{ history: fc.boolean(), evidence: fc.constantFrom('none' as const, 'keep' as const) },
        ...{ batchMax: fc.integer({ min: 1, max: BATCH_MAX }), paddingBytes: fc.integer({ min: 0, max: 65_536 }) },
      },
      { noNullPrototype: true },
    )
    .map(({ who, batchMax, evidence, ...rest }) => {
      return { name, ...rest, ...who, evidence, batchMax: evidence === 'keep' ? 1 : batchMax } as Channel;
    });

function pinnedOnly(confirmers: Confirmers, members: readonly RosterMember[]): Confirmers {
  if (typeof confirmers === 'string') return confirmers;
  const pinned = confirmers.filter((name) => members.find((one) => one.name === name)?.type === 'pin');
  return pinned.length === 0 ? 'none' : pinned;
}

const roster: fc.Arbitrary<Roster> = fc
  .record(
    {
      name: fc.constantFrom('works', 'Werk_2', 'a.b-c', '部'),
      version: fc.oneof(fc.constant(1), fc.integer({ min: 2 }), fc.constant(Number.MAX_SAFE_INTEGER)),
      previous: bytes(32),
      authorityKey: bytes(65),
      issuedAtS: fc.integer({ min: 0, max: 2 ** 40 }),
      lastsS: fc.option(fc.integer({ min: 1, max: 2 ** 40 })),
      members: fc.tuple(...NAMES.map(member)),
      channels: fc.tuple(channel('plant'), channel('office')).chain((both) => fc.subarray(both)),
      revocations: fc.uniqueArray(
        fc.record(
          { id: bytes(32), timeS: fc.maxSafeNat(), sinceIndex: fc.option(fc.maxSafeNat()) },
          { noNullPrototype: true },
        ),
        { maxLength: 3, selector: ({ id }) => String(id) },
      ),
    },
    { noNullPrototype: true },
  )
  .filter(({ members }) => new Set(members.map((one) => (one.type === 'pin' ? String(one.id) : one.name))).size === 5)
  .map(({ lastsS, previous, channels, ...rest }) => ({
    ...rest,
    channels: channels.map((one) => ({ ...one, confirmers: pinnedOnly(one.confirmers, rest.members) })),
    previous: rest.version === 1 ? null : previous,
    expiresAtS: lastsS === null ? null : rest.issuedAtS + lastsS,
  }));

const sign = (content: Roster): Uint8Array => {
  const draft = draftRoster(content, SENDER.id);
  return draft.finish(signAs(SENDER, draft.toBeSigned));
};

test('a roster is read as it was written, and written again the same', () => {
  fc.assert(
    fc.property(roster, (given) => {
      const written = sign(given);
      const { bytes: kept, hash, signerId, signature, toBeVerified, ...read } = decodeRoster(nodeCrypto, written);
      assert.deepEqual(read, given);
      assert.deepEqual([kept, signerId, hash], [written, SENDER.id, nodeCrypto.sha256(toBeVerified)]);
      const again = draftRoster(read, signerId);
      assert.deepEqual(again.toBeSigned, toBeVerified);
      assert.deepEqual(again.finish(signature), written);
    }),
    { seed, numRuns: 150 },
  );
});

test('whatever byte is changed, it is refused with a code or is another version', () => {
  const written = sign(FIRST);
  const { hash, signature } = decodeRoster(nodeCrypto, written);
  fc.assert(
    fc.property(fc.nat({ max: written.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const altered = written.with(at, (written[at] ?? 0) ^ change);
      try {
        const read = decodeRoster(nodeCrypto, altered);
        assert.notDeepEqual([read.hash, read.signature], [hash, signature]);
      } catch (error) {
        assert.ok(isSealwireError(error), String(error));
        assert.notEqual(error.code, 'internal');
      }
    }),
    { seed, numRuns: 1000 },
  );
});

test('the same content signed once more is the same version', () => {
  const one = decodeRoster(nodeCrypto, sign(FIRST));
  const draft = draftRoster(FIRST, SENDER.id);
  const other = decodeRoster(nodeCrypto, draft.finish(new Uint8Array(64).fill(1)));
  assert.notDeepEqual(one.bytes, other.bytes);
  assert.deepEqual(one.hash, other.hash);
});

test('a first version is signed by the key that it names', () => {
  assert.equal(isSelfSigned(nodeCrypto, decodeRoster(nodeCrypto, sign(FIRST))), true);
  const draft = draftRoster(FIRST, new Uint8Array(32));
  const other = decodeRoster(nodeCrypto, draft.finish(signAs(SENDER, draft.toBeSigned)));
  assert.equal(isSelfSigned(nodeCrypto, other), false);
});

test('what is drafted can be read, up to the last byte', () => {
  const filled = (certificateBytes: number): Roster => ({
    ...FIRST,
    members: [{ type: 'issued', name: 'g', pattern: '*', certificate: new Uint8Array(certificateBytes) }],
    channels: [],
  });
  const spare = ROSTER_BYTES_MAX - sign(filled(100_000)).length;
  const largest = sign(filled(100_000 + spare));
  assert.equal(largest.length, ROSTER_BYTES_MAX);
  assert.equal(decodeRoster(nodeCrypto, largest).version, 1);
  assert.equal(
    codeOf(() => draftRoster(filled(100_001 + spare), SENDER.id)),
    'too-large',
  );
  assert.equal(
    codeOf(() => decodeRoster(nodeCrypto, new Uint8Array(ROSTER_BYTES_MAX + 1))),
    'too-large',
  );
});

const FIRST: Roster = {
  ...{ name: 'works', version: 1, previous: null, authorityKey: SENDER.publicKey, issuedAtS: 7, expiresAtS: null },
  members: [
    { type: 'pin', name: 'alice', id: SENDER.id },
    { type: 'issued', name: 'bob', pattern: 'b*', certificate: new Uint8Array(9) },
  ],
  channels: [channelOf({ readers: ['bob'] })],
  revocations: [{ id: new Uint8Array(32), timeS: 5, sinceIndex: null }],
};

/** The COSE_Sign1 of {@link FIRST} with something else in its place; what is signed does not matter here. */
function altered(change: (sign1: Sign1, header: CborMap, content: readonly CborValue[]) => Partial<Sign1>): Uint8Array {
  const sign1 = decodeSign1(sign(FIRST));
  return encodeSign1({ ...sign1, ...change(sign1, HEADER, CONTENT) });
}

function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action();
  } catch (error) {
    if (isSealwireError(error)) return error.code;
    throw error;
  }
  return undefined;
}

const CLAIMS: CborMap = new Map<number, CborValue>([
  [1, 'works'],
  [6, 7],
]);
const HEADER: CborMap = new Map<number, CborValue>([
  ...([
    [1, -7],
    [4, SENDER.id],
    [15, CLAIMS],
    [-65537, [21, 1]],
  ] as const),
]);
const CHANNEL: readonly CborValue[] = [
  ...['plant', ['plant/#'], ['alice'], ['bob'], 0, 86_400_000, 2 ** 20, false, 1024, 0, false, []],
];
const CONTENT: readonly CborValue[] = [
  ...[1, null, SENDER.publicKey, null],
  ...[
    [
      ['alice', SENDER.id],
      ['bob', 'b*', new Uint8Array(9)],
    ],
    [CHANNEL],
    [[new Uint8Array(32), 5, null]],
  ],
];

test('the parts that the cases below alter make up the whole', () => {
  const again = altered((_, header, content) => ({ protectedBytes: encodeCbor(header), payload: encodeCbor(content) }));
  assert.deepEqual(again, sign(FIRST));
});

const inHeader = (label: number, value: CborValue) =>
  altered((_, header) => ({
    protectedBytes: encodeCbor(new Map([...header, [label, value]])),
  }));
const without = (label: number) =>
  altered((_, header) => ({
    protectedBytes: encodeCbor(new Map([...header].filter(([key]) => key !== label))),
  }));
const inContent = (at: number, value: CborValue) =>
  altered((_, __, content) => ({
    payload: encodeCbor(content.with(at, value)),
  }));
const inChannel = (at: number, value: CborValue) => inContent(5, [CHANNEL.with(at, value)]);
const claims = (...entries: readonly (readonly [number, CborValue])[]) => inHeader(15, new Map(entries));

const MALFORMED: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(0),
  'no COSE_Sign1': encodeCbor([1, 2, 3]),
  'a byte after it': Uint8Array.of(...sign(FIRST), 0),
  'something in the unprotected header': altered(() => ({ unprotected: new Map([[4, SENDER.id]]) })),
  'a detached payload': altered(() => ({ payload: null })),
  'a payload that is no CBOR': altered(() => ({ payload: Uint8Array.of(0xff) })),
  'a payload that is a map': altered(() => ({ payload: encodeCbor(new Map([[0, 1]])) })),
  'another algorithm': inHeader(1, -8),
  'no algorithm': without(1),
  'no signer': without(4),
  'a signer of 31 bytes': inHeader(4, SENDER.id.subarray(1)),
  'one header too many': inHeader(3, 17),
  'no claims': without(15),
  'claims without a time': claims([1, 'works']),
  'a time that is a text': claims([1, 'works'], [6, '7']),
  'a name that is bytes': claims([1, new Uint8Array(5)], [6, 7]),
  'a claim too many': claims([1, 'works'], [2, 'x'], [6, 7]),
  'another kind': inHeader(-65537, [20, 1]),
  'a kind without a version': inHeader(-65537, [21]),
  'six parts': altered((_, __, content) => ({ payload: encodeCbor(content.slice(0, 6)) })),
  'eight parts': altered((_, __, content) => ({ payload: encodeCbor([...content, null]) })),
  'a version below 0': inContent(0, -1),
  'a version of 2^53': inContent(0, 2n ** 53n),
  'a version that is a text': inContent(0, '1'),
  'a hash of 31 bytes before it': inContent(1, new Uint8Array(31)),
  'an authority’s key of 33 bytes': inContent(2, SENDER.publicKey.subarray(0, 33)),
  'an end that is a flag': inContent(3, true),
  'members that are no list': inContent(4, new Map([['alice', SENDER.id]])),
  'a member of one element': inContent(4, [['alice']]),
  'a member of four elements': inContent(4, [['alice', 'a', new Uint8Array(1), 1]]),
  'a member with an id of 31 bytes': inContent(4, [['alice', SENDER.id.subarray(1)]]),
  'a member under a certificate that is a text': inContent(4, [['alice', '*', 'PEM']]),
  'a channel of eleven elements': inContent(5, [CHANNEL.slice(0, 11)]),
  'a channel’s filter that is no text': inChannel(1, [7]),
  'a channel’s writers that are a text': inChannel(2, 'alice'),
  'a channel confirmed in a way that nobody knows': inChannel(4, 3),
  'a channel confirmed by a flag': inChannel(4, true),
  'a channel’s age below 0': inChannel(5, -1),
  'a channel’s history that is a number': inChannel(7, 1),
  'a channel’s evidence that is a text': inChannel(10, 'keep'),
  'a channel’s erasers that are null': inChannel(11, null),
  'a revocation of two elements': inContent(6, [[new Uint8Array(32), 5]]),
  'a revoked id of 33 bytes': inContent(6, [[new Uint8Array(33), 5, null]]),
  'a revocation since an entry below 0': inContent(6, [[new Uint8Array(32), 5, -1]]),
};

for (const [what, given] of Object.entries(MALFORMED)) {
  test(`refused as malformed: ${what}`, () => {
    assert.equal(
      codeOf(() => decodeRoster(nodeCrypto, given)),
      'malformed',
    );
  });
}

test('another protocol version, a signature of another form and a contradiction have codes of their own', () => {
  const highS = altered(({ signature }) => ({ signature: withHighS(signature) }));
  const short = altered(({ signature }) => ({ signature: signature.subarray(1) }));
  const cases = [inHeader(-65537, [21, 2]), highS, short, inContent(1, new Uint8Array(32)), inChannel(1, ['a/#/b'])];
  assert.deepEqual(
    cases.map((given) => codeOf(() => decodeRoster(nodeCrypto, given))),
    ['unsupported', 'signature-invalid', 'signature-invalid', 'roster-invalid', 'topic-invalid'],
  );
});
