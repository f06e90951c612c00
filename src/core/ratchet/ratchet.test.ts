import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IMPLEMENTATIONS } from '../../../test/support/handshake.ts';
import { bytesToHex, hexToBytes } from '../bytes.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { isSealwireError } from '../errors.ts';
import { SKIP_MAX } from '../limits.ts';
import { encryptionKeyOf, macKeyOf, messageKeyOf, nextChainKey } from './keys.ts';
import { ReceivingRatchet } from './receiving.ts';
import { type RatchetPosition, SendingRatchet } from './sending.ts';
import { SkippedKeys } from './skipped-keys.ts';

const seed = 20260701;
const start: RatchetPosition = {
  ratchetId: new Uint8Array(16).fill(7),
  seq: 0,
  chainKey: new Uint8Array(32).fill(9),
};

/** The keys of the first `count` frames, in hex. */
function keysOf(count: number, from: RatchetPosition = start): string[] {
  const sending = new SendingRatchet(nobleCrypto, from);
  return Array.from({ length: count }, () => bytesToHex(sending.take().key));
}

function use(ratchet: ReceivingRatchet, seq: number): string {
  const candidate = ratchet.lookUp(seq);
  candidate.commit();
  return bytesToHex(candidate.key);
}

function throwsCode(code: string, action: () => unknown): void {
  assert.throws(action, (error) => isSealwireError(error) && error.code === code);
}

for (const { name, crypto } of IMPLEMENTATIONS) {
  test(`keys: known answers (${name})`, () => {
    const chainKey = hexToBytes('00'.repeat(32));
    // printf '\x01' | openssl dgst -sha256 -mac HMAC -macopt hexkey:00…00
    const messageKey = messageKeyOf(crypto, chainKey);
    assert.equal(bytesToHex(messageKey), '3d7afb663124ecbf2c953f863d4fc8796eeb2d372b64aad58697ec5264649cdb');
    assert.equal(
      bytesToHex(nextChainKey(crypto, chainKey)),
      '4ee7be0c7872360ca67414608081e9bd60fd580a7bbd209701d2a5a0b4316d0d',
    );
    const headerHash = new Uint8Array(32).fill(1);
    assert.equal(
      bytesToHex(encryptionKeyOf(crypto, messageKey, headerHash)),
      '98989195013f2c662612b9738749e4605aa1019431e953af93d1fd5dedc17b8c',
    );
    assert.equal(
      bytesToHex(macKeyOf(crypto, messageKey, headerHash)),
      'de4d2a7c270d27989ff55a03c0719e5965627c8ef58e990f9ffb401e62d2c8bb',
    );
  });
}

test('sending: keys differ from frame to frame and begin where they are told', () => {
  const keys = keysOf(50);
  assert.equal(new Set(keys).size, 50);
  const sending = new SendingRatchet(nobleCrypto, start);
  assert.equal(sending.nextSeq, 0);
  assert.equal(sending.take().seq, 0);
  assert.equal(sending.nextSeq, 1);
  const chainKey = nextChainKey(nobleCrypto, start.chainKey);
  assert.deepEqual(keysOf(3, { ...start, seq: 1, chainKey }), keys.slice(1, 4));
});

test('sending: the position it began from is left as it was', () => {
  const chainKey = new Uint8Array(32).fill(3);
  const sending = new SendingRatchet(nobleCrypto, { ...start, chainKey });
  sending.take();
  sending.erase();
  assert.deepEqual(chainKey, new Uint8Array(32).fill(3));
});

test('erased ratchets give no keys: what is left of them is known to everybody', () => {
  const sending = new SendingRatchet(nobleCrypto, start);
  sending.erase();
  throwsCode('session-closed', () => sending.take());
  const receiving = new ReceivingRatchet(nobleCrypto, start);
  use(receiving, 3);
  receiving.erase();
  assert.equal(receiving.skippedCount, 0);
  throwsCode('session-closed', () => receiving.lookUp(1));
  throwsCode('session-closed', () => receiving.lookUp(4));
});

test('receiving: in any order within SKIP_MAX each frame opens exactly once', () => {
  const keys = keysOf(60);
  const order = fc.shuffledSubarray([...keys.keys()], { minLength: 1 });
  fc.assert(
    fc.property(order, fc.array(fc.nat(59)), (seqs, again) => {
      const ratchet = new ReceivingRatchet(nobleCrypto, start);
      for (const seq of seqs) assert.equal(use(ratchet, seq), keys[seq]);
      for (const seq of [...seqs, ...again.filter((at) => seqs.includes(at))]) {
        throwsCode('replayed', () => ratchet.lookUp(seq));
      }
      const highest = Math.max(...seqs);
      assert.equal(ratchet.nextSeq, highest + 1);
      assert.equal(ratchet.skippedCount, highest + 1 - seqs.length);
    }),
    { seed, numRuns: 60 },
  );
});

test('receiving: against a set of what was seen, with lookups that are never committed in between', () => {
  const keys = keysOf(40);
  const step = fc.record({ seq: fc.nat(39), commit: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const ratchet = new ReceivingRatchet(nobleCrypto, start);
      const used = new Set<number>();
      for (const { seq, commit } of steps) {
        const before = [ratchet.nextSeq, ratchet.skippedCount];
        if (used.has(seq)) {
          throwsCode('replayed', () => ratchet.lookUp(seq));
          continue;
        }
        const candidate = ratchet.lookUp(seq);
        assert.equal(bytesToHex(candidate.key), keys[seq]);
        assert.deepEqual([ratchet.nextSeq, ratchet.skippedCount], before);
        if (!commit) continue;
        candidate.commit();
        used.add(seq);
      }
    }),
    { seed, numRuns: 60 },
  );
});

test('receiving: candidates committed in any order each count once', () => {
  const keys = keysOf(8);
  const picks = fc.array(fc.nat(7), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(picks, (seqs) => {
      const ratchet = new ReceivingRatchet(nobleCrypto, start);
      const candidates = seqs.map((seq) => ({ seq, ...ratchet.lookUp(seq) }));
      const used = new Set<number>();
      for (const { seq, commit } of candidates) {
        if (used.has(seq)) throwsCode('replayed', commit);
        else commit();
        used.add(seq);
      }
      for (const seq of keys.keys()) {
        if (used.has(seq)) throwsCode('replayed', () => ratchet.lookUp(seq));
        else assert.equal(use(ratchet, seq), keys[seq]);
      }
    }),
    { seed, numRuns: 100 },
  );
});

test('receiving: a jump of SKIP_MAX is taken, one more is refused without any work or change', () => {
  let hmacs = 0;
  const crypto = {
    ...nobleCrypto,
    hmac: (key: Uint8Array, data: Uint8Array): Uint8Array => {
      hmacs += 1;
      return nobleCrypto.hmac(key, data);
    },
  };
  const ratchet = new ReceivingRatchet(crypto, start);
  for (const seq of [SKIP_MAX + 1, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
    throwsCode('skipped-too-far', () => ratchet.lookUp(seq));
  }
  assert.equal(hmacs, 0);
  assert.equal(ratchet.nextSeq, 0);
  assert.equal(ratchet.skippedCount, 0);
  use(ratchet, SKIP_MAX);
  assert.ok(hmacs <= 2 * SKIP_MAX + 2);
  assert.equal(ratchet.skippedCount, SKIP_MAX);
  assert.equal(use(ratchet, 0), keysOf(1)[0]);
});

test('receiving: keys of skipped frames are bounded, the oldest go first', () => {
  const keys = keysOf(21);
  const ratchet = new ReceivingRatchet(nobleCrypto, start, new SkippedKeys(4));
  use(ratchet, 10);
  use(ratchet, 20);
  assert.equal(ratchet.skippedCount, 4);
  for (let seq = 0; seq < 16; seq++) throwsCode('replayed', () => ratchet.lookUp(seq));
  for (const seq of [18, 16, 19, 17]) assert.equal(use(ratchet, seq), keys[seq]);
});

test('receiving: whoever begins later opens nothing earlier', () => {
  const keys = keysOf(5);
  const sending = new SendingRatchet(nobleCrypto, start);
  sending.take();
  let chainKey = start.chainKey;
  for (let seq = 0; seq < 3; seq++) chainKey = nextChainKey(nobleCrypto, chainKey);
  const ratchet = new ReceivingRatchet(nobleCrypto, { ...start, seq: 3, chainKey });
  throwsCode('replayed', () => ratchet.lookUp(2));
  assert.equal(use(ratchet, 4), keys[4]);
  assert.equal(use(ratchet, 3), keys[3]);
});
