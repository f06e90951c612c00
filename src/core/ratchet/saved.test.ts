import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToHex } from '../bytes.ts';
import { type CborValue, encodeCbor } from '../cbor.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { isSealwireError } from '../errors.ts';
import { SKIP_MAX } from '../limits.ts';
import { nextChainKey } from './keys.ts';
import { ReceivingRatchet } from './receiving.ts';
import { type RatchetPosition, SendingRatchet } from './sending.ts';
import { SkippedKeys } from './skipped-keys.ts';

const seed = 20261124;
const start: RatchetPosition = {
  ratchetId: new Uint8Array(16).fill(7),
  seq: 0,
  chainKey: new Uint8Array(32).fill(9),
};
const keys = ((): string[] => {
  const sending = new SendingRatchet(nobleCrypto, start);
  return Array.from({ length: 60 }, () => bytesToHex(sending.take().key));
})();

function use(ratchet: ReceivingRatchet, seq: number): string {
  const candidate = ratchet.lookUp(seq);
  const key = bytesToHex(candidate.key);
  candidate.commit();
  return key;
}

const isCode = (code: string) => (error: unknown) => isSealwireError(error, code as 'replayed');

/** The chain key at `seq`. */
function chainKeyAt(seq: number): Uint8Array {
  let { chainKey } = start;
  for (let at = 0; at < seq; at++) chainKey = nextChainKey(nobleCrypto, chainKey);
  return chainKey;
}

test('a ratchet that was saved and restored at any time opens what it would have opened, and refuses the rest', () => {
  const step = fc.record({ seq: fc.nat(59), restored: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let ratchet = new ReceivingRatchet(nobleCrypto, start);
      const used = new Set<number>();
      for (const { seq, restored } of steps) {
        if (restored) ratchet = ReceivingRatchet.restore(nobleCrypto, ratchet.save());
        if (used.has(seq)) assert.throws(() => ratchet.lookUp(seq), isCode('replayed'));
        else assert.equal(use(ratchet, seq), keys[seq]);
        used.add(seq);
      }
      const again = ReceivingRatchet.restore(nobleCrypto, ratchet.save());
      assert.deepEqual(again.save(), ratchet.save());
      assert.deepEqual([again.nextSeq, again.skippedCount], [ratchet.nextSeq, ratchet.skippedCount]);
    }),
    { seed, numRuns: 60 },
  );
});

test('what was saved is not what the ratchet goes on with', () => {
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  const saved = ratchet.save();
  const restored = ReceivingRatchet.restore(nobleCrypto, saved);
  use(ratchet, 3);
  saved.fill(0);
  assert.equal(use(restored, 3), keys[3]);
});

test('restored keys count in the bound that is shared', () => {
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  use(ratchet, 30);
  const skipped = new SkippedKeys(20);
  const restored = ReceivingRatchet.restore(nobleCrypto, ratchet.save(), skipped);
  assert.equal(skipped.size, 20);
  assert.throws(() => restored.lookUp(9), isCode('replayed'));
  assert.equal(use(restored, 10), keys[10]);
});

test('what is no saved ratchet is refused and counts nowhere', () => {
  const bytes = (length: number): Uint8Array => new Uint8Array(length);
  const good: readonly CborValue[] = [bytes(16), 5, bytes(32), [[3, bytes(32)]]];
  const wrong: readonly (readonly [at: number, value: CborValue])[] = [
    [0, bytes(15)],
    [0, 'text'],
    [1, -1],
    [1, 'five'],
    [1, 2n ** 60n],
    [2, bytes(31)],
    [2, null],
    [3, null],
    [3, [3]],
    [3, [[3, bytes(31)]]],
    [3, [[3, bytes(32), 0]]],
    [3, [[-3, bytes(32)]]],
    [
      3,
      [
        [2, bytes(32)],
        [5, bytes(32)],
      ],
    ],
  ];
  const skipped = new SkippedKeys(20);
  const restore = (value: CborValue): ReceivingRatchet =>
    ReceivingRatchet.restore(nobleCrypto, encodeCbor(value), skipped);
  restore(good).erase();
  for (const [at, value] of wrong) assert.throws(() => restore(good.with(at, value)), isCode('malformed'), `${at}`);
  for (const value of [good.slice(1), [...good, 0], 'text']) assert.throws(() => restore(value), isCode('malformed'));
  assert.throws(() => ReceivingRatchet.restore(nobleCrypto, bytes(0)), isCode('malformed'));
  assert.equal(skipped.size, 0);
});

test('moved on, it opens what follows and what it had passed over before; what lies between is lost', () => {
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  use(ratchet, 4);
  assert.ok(ratchet.moveTo({ ...start, seq: 20, chainKey: chainKeyAt(20) }));
  assert.equal(ratchet.nextSeq, 20);
  for (const seq of [4, 5, 19]) assert.throws(() => ratchet.lookUp(seq), isCode('replayed'), `${seq}`);
  for (const seq of [22, 2, 20, 21]) assert.equal(use(ratchet, seq), keys[seq]);
});

test('it moves neither back nor when its keys are gone, and keeps no hold of the key that it is given', () => {
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  use(ratchet, 10);
  assert.ok(!ratchet.moveTo(start));
  assert.throws(() => ratchet.lookUp(10), isCode('replayed'));
  const chainKey = chainKeyAt(11);
  assert.ok(ratchet.moveTo({ ...start, seq: 11, chainKey }));
  chainKey.fill(0);
  assert.equal(use(ratchet, 11), keys[11]);
  ratchet.erase();
  assert.ok(!ratchet.moveTo({ ...start, seq: 40, chainKey: chainKeyAt(40) }));
  assert.throws(() => ratchet.lookUp(40), isCode('session-closed'));
});

test('a jump too far is no end: with the key that the writer gives it goes on there', () => {
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  const far = SKIP_MAX + 40;
  assert.throws(() => ratchet.lookUp(far), isCode('skipped-too-far'));
  ratchet.moveTo({ ...start, seq: far - 1, chainKey: chainKeyAt(far - 1) });
  const sending = new SendingRatchet(nobleCrypto, { ...start, seq: far, chainKey: chainKeyAt(far) });
  assert.equal(use(ratchet, far), bytesToHex(sending.take().key));
});

test('keys passed over are bounded over many ratchets together, and a flood in one takes little from the others', () => {
  const skipped = new SkippedKeys(300, 200);
  const begin = (): ReceivingRatchet => new ReceivingRatchet(nobleCrypto, start, skipped);
  const honest = Array.from({ length: 10 }, begin);
  for (const ratchet of honest) use(ratchet, 5);
  const hostile = Array.from({ length: 5 }, begin);
  for (let round = 1; round <= 5; round++) for (const ratchet of hostile) use(ratchet, 100 * round);
  assert.equal(skipped.size, 300);
  for (const ratchet of honest) for (const seq of [0, 1, 2, 3, 4]) assert.equal(use(ratchet, seq), keys[seq]);
});
