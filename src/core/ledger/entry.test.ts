import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fixedSigner } from '../../../test/support/identities.ts';
import { member, Writer } from '../../../test/support/ledger.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { encodeCbor } from '../cbor.ts';
import { COSE, encodeSign1 } from '../cose.ts';
import { isSealwireError } from '../errors.ts';
import { KIND } from '../kinds.ts';
import { decodeBlockHeader, encodeBlockHeader } from './block.ts';
import { checkpointFromJson } from './checkpoint.ts';
import { decodeEntry } from './entry.ts';
import { TreeHasher } from './merkle.ts';
import { checkReceipt, encodeReceipt } from './receipt.ts';
import { draftStatement, type StatementContent } from './statement.ts';

const alice = await member('alice', 1);
const signature = new Uint8Array(64).fill(1);
const header = { notaryId: alice.id, origin: 'plant', timeS: 1 };
const label = await new Writer(alice).label();
const contents: StatementContent[] = [
  {
    kind: KIND.policy,
    publicKey: fixedSigner(1).publicKey,
    ed25519Key: new Uint8Array(32),
    origin: 'plant',
    certificates: alice.certificates,
  },
  { kind: KIND.identity, certificates: alice.certificates },
  { kind: KIND.conflict, entryIndex: 7, label },
];
const statements = contents.map((content) => draftStatement(header, content).finish(signature));
const blockHeader = encodeBlockHeader({
  ...header,
  height: 3,
  previous: new Uint8Array(32),
  firstIndex: 4,
  treeSize: 9,
  roster: { version: 2, hash: new Uint8Array(16) },
});
const receipt = encodeReceipt(blockHeader, signature, { treeSize: 9, leafIndex: 5, path: [new Uint8Array(32)] });

const malformed = (error: unknown): boolean => isSealwireError(error, 'malformed');

test('a statement reads back as what was said', () => {
  for (const [i, content] of contents.entries()) {
    const entry = decodeEntry(statements[i] ?? label);
    assert.ok(entry.type === 'statement');
    assert.deepEqual(entry.statement.content, content);
    assert.deepEqual([entry.statement.origin, entry.statement.timeS], ['plant', 1]);
  }
  assert.equal(decodeEntry(label).type, 'label');
});

test('a block header reads back as what was said', () => {
  const { roster, height, firstIndex, treeSize } = decodeBlockHeader(blockHeader);
  assert.deepEqual([roster?.version, height, firstIndex, treeSize], [2, 3, 4, 9]);
});

test('block headers that cannot be are refused', () => {
  const good = { ...header, height: 3, previous: new Uint8Array(32), firstIndex: 4, treeSize: 9, roster: null };
  const bad = [
    { height: 0 },
    { previous: null },
    { firstIndex: 0 },
    { firstIndex: 9 },
    { treeSize: 3 },
    { origin: '' },
    { notaryId: new Uint8Array(31) },
    { previous: new Uint8Array(16) },
    { timeS: -1 },
    { roster: { version: -1, hash: new Uint8Array(16) } },
  ];
  for (const part of bad) assert.throws(() => decodeBlockHeader(encodeBlockHeader({ ...good, ...part })), malformed);
});

test('a statement of another version, kind or form is refused', () => {
  const statementOf = (own: readonly (number | null)[], payload: Uint8Array | null): Uint8Array => {
    const claims = new Map<number, string | number>([
      [1, 'plant'],
      [6, 1],
    ]);
    const protectedBytes = encodeCbor(
      new Map<number, Uint8Array | number | typeof own | typeof claims>([
        [COSE.alg, COSE.algEs256],
        [COSE.keyId, alice.id],
        [COSE.cwtClaims, claims],
        [COSE.sealwire, own],
      ]),
    );
    return encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature });
  };
  const identity = encodeCbor([alice.certificates]);
  assert.equal(decodeEntry(statementOf([KIND.identity, 1], identity)).type, 'statement');
  assert.throws(
    () => decodeEntry(statementOf([KIND.identity, 2], identity)),
    (error) => isSealwireError(error, 'unsupported'),
  );
  for (const bytes of [
    statementOf([KIND.erasure, 1], identity),
    statementOf([KIND.block, 1], identity),
    statementOf([KIND.conflict, 1], identity),
    statementOf([KIND.identity, 1, null], identity),
    statementOf([KIND.identity, 1], null),
    statementOf([KIND.identity, 1], encodeCbor([[]])),
    statementOf([KIND.identity, 1], encodeCbor([alice.certificates, 1])),
    statementOf([KIND.policy, 1], encodeCbor([new Uint8Array(64), null, 'plant', alice.certificates])),
    statementOf([KIND.conflict, 1], encodeCbor([-1, label])),
  ]) {
    assert.throws(() => decodeEntry(bytes), malformed);
  }
});

test('whatever is done to the bytes, reading ends with a value or a refusal', () => {
  const hasher = new TreeHasher(nodeCrypto);
  const readers: [Uint8Array, (bytes: Uint8Array) => unknown][] = [
    ...[...statements, label].map((bytes): [Uint8Array, typeof decodeEntry] => [bytes, decodeEntry]),
    [blockHeader, decodeBlockHeader],
    [receipt, (bytes) => checkReceipt(hasher, bytes, label)],
  ];
  for (const [bytes, read] of readers) {
    const edit = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length));
    fc.assert(
      fc.property(edit, ([at, value, length]) => {
        for (const damaged of [bytes.with(at, value), bytes.subarray(0, length)]) {
          try {
            read(damaged);
          } catch (error) {
            assert.ok(isSealwireError(error), String(error));
          }
        }
      }),
      { seed: 21, numRuns: 400 },
    );
  }
});

test('a checkpoint that was tampered with is refused', () => {
  const hash = '00'.repeat(32);
  const good = {
    version: 1,
    origin: 'plant',
    publicKey: '04'.repeat(65),
    height: 0,
    link: hash,
    timeS: 1,
    treeSize: 1,
    root: hash,
    range: [hash],
  };
  const read = (fields: object) => checkpointFromJson(nodeCrypto, JSON.stringify(fields));
  assert.equal(read(good).treeSize, 1);
  for (const part of [
    { origin: 7 },
    { publicKey: '04' },
    { height: -1 },
    { link: 'zz'.repeat(32) },
    { treeSize: 3 },
    { root: '11'.repeat(32) },
    { range: [] },
    { range: 'none' },
  ]) {
    assert.throws(() => read({ ...good, ...part }), malformed);
  }
  for (const text of ['', '[', 'null', '7']) assert.throws(() => checkpointFromJson(nodeCrypto, text), malformed);
  assert.throws(
    () => read({ ...good, version: 2 }),
    (error) => isSealwireError(error, 'unsupported'),
  );
});
