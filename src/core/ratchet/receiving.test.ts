import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToHex } from '../bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { isSealwireError } from '../errors.ts';
import { SKIP_MAX } from '../limits.ts';
import { nextChainKey } from './keys.ts';
import { ReceivingRatchet } from './receiving.ts';
import { type RatchetPosition, SendingRatchet } from './sending.ts';
import { SkippedKeys } from './skipped-keys.ts';

const seed = 20260701;
const start: RatchetPosition = {
  ratchetId: new Uint8Array(16).fill(7),
  seq: 0,
  chainKey: new Uint8Array(32).fill(9),
};
const code = (wanted: string) => (error: unknown) => isSealwireError(error) && error.code === wanted;

/** The key of a seq in hex, which it uses up, or why there is none. */
function use(ratchet: ReceivingRatchet, seq: number): string {
  try {
    const candidate = ratchet.lookUp(seq);
    candidate.commit();
    return bytesToHex(candidate.key);
  } catch (error) {
    return isSealwireError(error) ? error.code : String(error);
  }
}

/** The place `seq` frames on. */
function placeAt(seq: number, { ratchetId, seq: from, chainKey }: RatchetPosition = start): RatchetPosition {
  let key = chainKey;
  for (let at = from; at < seq; at++) key = nextChainKey(nobleCrypto, key);
  return { ratchetId, seq, chainKey: key };
}

test('saved and restored at any moment, a ratchet goes on as if nothing had been', () => {
  const step = fc.record({ seq: fc.nat(40), restart: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const plain = new ReceivingRatchet(nobleCrypto, start, new SkippedKeys(10));
      let restarted = new ReceivingRatchet(nobleCrypto, start, new SkippedKeys(10));
      for (const { seq, restart } of steps) {
        assert.equal(use(restarted, seq), use(plain, seq));
        if (restart) restarted = ReceivingRatchet.restore(nobleCrypto, restarted.save(), new SkippedKeys(10));
        assert.deepEqual([restarted.nextSeq, restarted.skippedCount], [plain.nextSeq, plain.skippedCount]);
        assert.deepEqual(restarted.save(), plain.save());
      }
      assert.equal(bytesToHex(restarted.ratchetId), bytesToHex(plain.ratchetId));
    }),
    { seed, numRuns: 100 },
  );
});

test('ratchets restored into one bound share it, and none loses more than it has over its share', () => {
  const saved = [4, 10, 60].map((passedOver) => {
    const ratchet = new ReceivingRatchet(nobleCrypto, start);
    use(ratchet, passedOver);
    return ratchet.save();
  });
  const shared = new SkippedKeys(30);
  const counts = saved
    .map((bytes) => ReceivingRatchet.restore(nobleCrypto, bytes, shared))
    .map(({ skippedCount }) => skippedCount);
  assert.deepEqual(counts, [4, 10, 16]);
});

test('an erased ratchet is not saved: its keys would be known to everybody', () => {
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  ratchet.erase();
  assert.throws(() => ratchet.save(), code('session-closed'));
});

test('a saved ratchet with any part of another type is malformed', () => {
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  use(ratchet, 2);
  const fields = decodeCbor(ratchet.save()) as CborValue[];
  const refused = (changed: CborValue): void =>
    assert.throws(() => ReceivingRatchet.restore(nobleCrypto, encodeCbor(changed)), code('malformed'));
  for (const at of fields.keys()) refused(fields.with(at, true));
  refused(fields.slice(1));
  refused(fields.with(1, -1));
  refused(fields.with(2, new Uint8Array(31)));
  for (const pair of [[1], [1, 2], ['1', new Uint8Array(32)], [3, new Uint8Array(32)], [1, new Uint8Array(8)]]) {
    refused(fields.with(3, [pair]));
  }
});

test('a later place is gone to only where the ratchet does not get there by itself', () => {
  const sending = new SendingRatchet(nobleCrypto, start);
  const keys = Array.from({ length: 12 }, () => bytesToHex(sending.take().key));
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  assert.equal(use(ratchet, 3), keys[3]);
  for (const seq of [0, 4, 8]) assert.equal(ratchet.moveTo(placeAt(seq)), false);
  for (const seq of [5, 1, 10]) assert.equal(use(ratchet, seq), keys[seq]);
});

test('beyond that the place is where it goes on, and what it kept from before still opens', () => {
  const ratchet = new ReceivingRatchet(nobleCrypto, start);
  assert.notEqual(use(ratchet, 2), 'replayed');
  const far = placeAt(3 + SKIP_MAX + 1);
  const own = new SendingRatchet(nobleCrypto, far);
  assert.equal(use(ratchet, far.seq), 'skipped-too-far');
  const given = { ...far, chainKey: far.chainKey.slice() };
  assert.equal(ratchet.moveTo(given), true);
  given.chainKey.fill(0);
  assert.equal(use(ratchet, far.seq), bytesToHex(own.take().key));
  assert.equal(use(ratchet, far.seq - 1), 'replayed');
  assert.equal(use(ratchet, 1), bytesToHex(new ReceivingRatchet(nobleCrypto, start).lookUp(1).key));
  ratchet.erase();
  assert.equal(ratchet.moveTo({ ...far, seq: far.seq + 2 * SKIP_MAX }), false);
});
