import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToHex } from '../../src/core/bytes.ts';
import { ReceivingRatchet } from '../../src/core/ratchet/receiving.ts';
import { type RatchetPosition, SendingRatchet } from '../../src/core/ratchet/sending.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';

const seed = 20260702;

const start = fc.record({
  ratchetId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  seq: fc.oneof(fc.constant(0), fc.nat({ max: 2 ** 31 - 1 }), fc.constant(Number.MAX_SAFE_INTEGER - 4000)),
  chainKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
});

function keysFrom(position: RatchetPosition, count: number): Map<number, string> {
  const ratchet = new SendingRatchet(nodeCrypto, position);
  return new Map(
    Array.from({ length: count }, () => {
      const { seq, key } = ratchet.take();
      return [seq, bytesToHex(key)];
    }),
  );
}

test('the ratchet: both ends agree on every key, no two are alike, and none is the key that it came of', () => {
  fc.assert(
    fc.property(start, fc.nat({ max: 200 }), (position, count) => {
      const sent = keysFrom(position, count);
      const receiving = new ReceivingRatchet(nodeCrypto, position);
      const shown = new Set([bytesToHex(position.chainKey)]);
      for (const [seq, key] of sent) {
        const candidate = receiving.lookUp(seq);
        assert.equal(bytesToHex(candidate.key), key);
        candidate.commit();
        assert.ok(!shown.has(key));
        shown.add(key);
      }
    }),
    { seed, numRuns: 150 },
  );
});

test('the ratchet: whoever gets a place gets every key from there on and none of before', () => {
  fc.assert(
    fc.property(start, fc.nat({ max: 60 }), fc.nat({ max: 60 }), (position, before, after) => {
      const sending = new SendingRatchet(nodeCrypto, position);
      const earlier = new Set(Array.from({ length: before }, () => bytesToHex(sending.take().key)));
      const place = sending.position();
      const later = keysFrom(place, after);
      // To give a place takes nothing from who gave it.
      for (const [seq, key] of later) {
        const own = sending.take();
        assert.deepEqual([own.seq, bytesToHex(own.key)], [seq, key]);
        assert.ok(!earlier.has(key));
      }
      const reader = new ReceivingRatchet(nodeCrypto, place);
      for (let seq = position.seq; seq < place.seq; seq++)
        assert.throws(() => reader.lookUp(seq), { code: 'replayed' });
    }),
    { seed, numRuns: 150 },
  );
});

test('the ratchet: what is spent is overwritten, so that who holds the memory of before holds nothing', () => {
  fc.assert(
    fc.property(start, fc.integer({ min: 1, max: 20 }), (position, count) => {
      const sending = new SendingRatchet(nodeCrypto, position);
      const places = Array.from({ length: count }, () => {
        const { chainKey } = sending.position();
        sending.take();
        return bytesToHex(chainKey);
      });
      const { chainKey } = sending.position();
      assert.ok(!places.includes(bytesToHex(chainKey)));
      sending.erase();
      assert.throws(() => sending.take(), { code: 'session-closed' });
      assert.deepEqual(sending.position().chainKey, new Uint8Array(32));
    }),
    { seed, numRuns: 100 },
  );
});
