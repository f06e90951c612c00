import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { channelOf } from '../../../test/support/channels.ts';
import { bytesToHex } from '../bytes.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import type { Crypto } from '../crypto/port.ts';
import { GRANT_OWED_MAX_MS } from '../limits.ts';
import { messageKeyOf, nextChainKey } from '../ratchet/keys.ts';
import { ReceivingRatchet } from '../ratchet/receiving.ts';
import type { Grant } from './grant.ts';
import { WriterRatchet, type WriterRatchetStart } from './writer-ratchet.ts';

const seed = 20260701;
const nowMs = 1_782_864_000_000;
const STREAM = new Uint8Array(8).fill(5);
const reader = (number: number): Uint8Array => new Uint8Array(32).fill(number);
const [bob, carol, dave] = [reader(1), reader(2), reader(3)];

function begin(more: Partial<WriterRatchetStart> = {}, crypto: Crypto = nobleCrypto): WriterRatchet {
  return WriterRatchet.begin(crypto, { channel: 'plant', stream: STREAM, n: 0, nowMs, history: false, ...more });
}

/** Seals that many frames; gives their keys in hex. */
function seal(ratchet: WriterRatchet, count: number): string[] {
  return Array.from({ length: count }, () => bytesToHex(ratchet.sending.take().key));
}

/** The keys that a grant opens, from its first frame on, in hex. */
function opens(grant: Grant | null, count: number): string[] {
  assert.ok(grant);
  const receiving = new ReceivingRatchet(nobleCrypto, grant);
  return Array.from({ length: count }, (_, i) => bytesToHex(receiving.lookUp(grant.seq + i).key));
}

test('a reader is granted the frames from its first one on, and none before', () => {
  const ratchet = begin({ n: 7 });
  ratchet.entitle(bob, 7);
  const first = seal(ratchet, 3);
  ratchet.entitle(carol, 12);
  ratchet.entitle(bob, 12);
  const later = seal(ratchet, 2);
  const [forBob, forCarol] = [ratchet.grantFor(bob), ratchet.grantFor(carol)];
  assert.deepEqual(opens(forBob, 5), [...first, ...later]);
  assert.deepEqual(opens(forCarol, 2), later);
  assert.deepEqual([forBob?.seq, forBob?.n, forCarol?.seq, forCarol?.n], [0, 7, 3, 12]);
  assert.deepEqual([forBob?.channel, forBob?.stream, forBob?.ratchetId], ['plant', STREAM, ratchet.ratchetId]);
  assert.equal(ratchet.grantFor(dave), null);
  assert.deepEqual([ratchet.isEntitled(carol), ratchet.isEntitled(dave)], [true, false]);
  assert.deepEqual(ratchet.entitledIds(), [bob, carol]);
});

test('what all have acknowledged is owed to nobody', () => {
  const ratchet = begin();
  ratchet.entitle(bob, 0);
  ratchet.entitle(carol, 0);
  assert.equal(ratchet.owes, true);
  ratchet.acknowledge(bob, 0);
  assert.equal(ratchet.owes, true);
  // Neither a stranger's word nor one about another place counts.
  ratchet.acknowledge(dave, 0);
  ratchet.acknowledge(carol, 1);
  assert.equal(ratchet.owes, true);
  ratchet.acknowledge(carol, 0);
  assert.equal(ratchet.owes, false);
  assert.deepEqual([ratchet.grantFor(bob), ratchet.grantFor(carol)], [null, null]);
  assert.equal(ratchet.isEntitled(bob), true);
});

test('whoever lost its keys goes on from here', () => {
  const ratchet = begin();
  ratchet.entitle(bob, 0);
  ratchet.acknowledge(bob, 0);
  seal(ratchet, 4);
  ratchet.renew(bob, 9);
  const grant = ratchet.grantFor(bob);
  assert.deepEqual([grant?.seq, grant?.n], [4, 9]);
  assert.deepEqual(opens(grant, 2), seal(ratchet, 2));
  ratchet.acknowledge(bob, 0);
  assert.equal(ratchet.owes, true, 'an old acknowledgement is not about the new place');
});

test('a reader that is dropped is granted nothing and owed nothing', () => {
  const ratchet = begin();
  ratchet.entitle(bob, 0);
  ratchet.entitle(carol, 0);
  ratchet.drop(bob);
  ratchet.drop(dave);
  assert.deepEqual([ratchet.isEntitled(bob), ratchet.grantFor(bob)], [false, null]);
  ratchet.acknowledge(carol, 0);
  assert.equal(ratchet.owes, false);
});

test('with history whoever comes later opens the ratchet from its first frame on, also after all others have it', () => {
  const ratchet = begin({ history: true, n: 3 });
  ratchet.entitle(bob, 3);
  ratchet.acknowledge(bob, 0);
  const keys = seal(ratchet, 4);
  ratchet.entitle(carol, 20);
  const grant = ratchet.grantFor(carol);
  assert.deepEqual([grant?.seq, grant?.n], [0, 3]);
  assert.deepEqual(opens(grant, 4), keys);
  ratchet.acknowledge(carol, 0);
  ratchet.drop(carol);
  assert.ok(ratchet.grantFor(bob), 'and whoever lost its keys gets them once more');
});

for (const history of [false, true]) {
  test(`what is owed for a day is given up; who comes then reads from there on (history ${history})`, () => {
    const ratchet = begin({ history });
    ratchet.entitle(bob, 0);
    ratchet.entitle(carol, 0);
    ratchet.acknowledge(carol, 0);
    seal(ratchet, 5);
    ratchet.expire(nowMs + GRANT_OWED_MAX_MS - 1);
    assert.equal(ratchet.owes, true);
    ratchet.expire(nowMs + GRANT_OWED_MAX_MS);
    assert.equal(ratchet.owes, false);
    assert.deepEqual([ratchet.grantFor(bob), ratchet.isEntitled(bob), ratchet.isEntitled(carol)], [null, false, true]);
    ratchet.entitle(bob, 30);
    const grant = ratchet.grantFor(bob);
    assert.deepEqual([grant?.seq, grant?.n], [5, 30]);
    assert.deepEqual(opens(grant, 3), seal(ratchet, 3));
  });
}

test('who came to be owed something later has a day of its own', () => {
  const ratchet = begin();
  ratchet.entitle(bob, 0);
  const hourMs = 3_600_000;
  ratchet.entitle(carol, 0, nowMs + hourMs);
  seal(ratchet, 2);
  ratchet.entitle(dave, 2, nowMs + 2 * hourMs);
  ratchet.expire(nowMs + GRANT_OWED_MAX_MS + hourMs - 1);
  assert.deepEqual(ratchet.owedIds(), [carol, dave]);
  ratchet.expire(nowMs + GRANT_OWED_MAX_MS + hourMs);
  assert.deepEqual(ratchet.owedIds(), [dave]);
  ratchet.renew(dave, 2, nowMs + GRANT_OWED_MAX_MS);
  ratchet.expire(nowMs + GRANT_OWED_MAX_MS + 2 * hourMs);
  assert.deepEqual(ratchet.owedIds(), [dave]);
});

test('a clock that was set back by years neither keeps what is owed nor a ratchet', () => {
  const ratchet = begin();
  ratchet.entitle(bob, 0);
  assert.equal(ratchet.mustRotate(0, channelOf()), true);
  ratchet.expire(0);
  assert.equal(ratchet.owes, false);
});

test('a ratchet comes to its end by age and by count', () => {
  const ratchet = begin();
  const rules = channelOf({ rotateAfterMs: 1000, rotateAfterFrames: 3 });
  assert.equal(ratchet.mustRotate(nowMs + 999, rules), false);
  assert.equal(ratchet.mustRotate(nowMs + 1000, rules), true);
  seal(ratchet, 2);
  assert.equal(ratchet.mustRotate(nowMs, rules), false);
  seal(ratchet, 1);
  assert.equal(ratchet.mustRotate(nowMs, rules), true);
});

/** A {@link Crypto} that remembers every array that it gave and every copy that was made of one. */
function remembering(): { readonly crypto: Crypto; readonly arrays: Uint8Array[] } {
  const arrays: Uint8Array[] = [];
  class Remembered extends Uint8Array {
    constructor(length: number) {
      super(length);
      arrays.push(this);
    }
  }
  const remember = (bytes: Uint8Array): Uint8Array => {
    const copy = new Remembered(bytes.length);
    copy.set(bytes);
    return copy;
  };
  let draws = 0;
  const random = (length: number): Uint8Array =>
    remember(nobleCrypto.sha256(Uint8Array.of(++draws)).subarray(0, length));
  const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array => remember(nobleCrypto.hmac(key, data));
  return { crypto: { ...nobleCrypto, random, hmac }, arrays };
}

test('whatever happens, the writer has no key of before the oldest that somebody is owed', () => {
  const step = fc.record({
    what: fc.constantFrom('seal', 'seal', 'entitle', 'acknowledge', 'acknowledge', 'drop', 'renew', 'expire'),
    who: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, history) => {
      const { crypto, arrays } = remembering();
      const ratchet = begin({ history }, crypto);
      // What the ratchet's keys will be, worked out apart from it.
      const { chainKey } = ratchet.sending.position();
      const chain = [Uint8Array.from(chainKey)];
      chainKey.fill(0);
      const owed = new Map<number, number>();
      const entitled = new Map<number, number>();
      let keepsFirst = history;
      for (const { what, who } of steps) {
        const [id, next] = [reader(who), ratchet.sending.nextSeq];
        const place = keepsFirst ? 0 : next;
        if (what === 'seal') ratchet.sending.take().key.fill(0);
        else if (what === 'acknowledge') {
          ratchet.acknowledge(id, entitled.get(who) ?? 0);
          owed.delete(who);
        } else if (what === 'expire') {
          ratchet.expire(nowMs + GRANT_OWED_MAX_MS);
          for (const late of owed.keys()) entitled.delete(late);
          owed.clear();
          keepsFirst = false;
        } else {
          if (what === 'drop') ratchet.drop(id);
          else ratchet[what](id, 0);
          if (what === 'drop' || what === 'renew') for (const map of [owed, entitled]) map.delete(who);
          if (what !== 'drop' && !entitled.has(who)) for (const map of [owed, entitled]) map.set(who, place);
        }
        const oldest = Math.min(ratchet.sending.nextSeq, keepsFirst ? 0 : Number.POSITIVE_INFINITY, ...owed.values());
        while (chain.length <= ratchet.sending.nextSeq) {
          chain.push(Uint8Array.from(nextChainKey(nobleCrypto, chain.at(-1) ?? STREAM)));
        }
        const gone = new Set(
          chain.slice(0, oldest).flatMap((key) => [bytesToHex(key), bytesToHex(messageKeyOf(nobleCrypto, key))]),
        );
        for (const left of arrays) assert.equal(gone.has(bytesToHex(left)), false, what);
        for (const [other, seq] of owed) {
          const grant = ratchet.grantFor(reader(other));
          assert.deepEqual(
            [grant?.seq, bytesToHex(grant?.chainKey ?? STREAM)],
            [seq, bytesToHex(chain[seq] ?? STREAM)],
          );
          grant?.chainKey.fill(0);
        }
      }
      ratchet.erase();
      const keys = new Set(chain.map(bytesToHex));
      assert.deepEqual(
        arrays.filter((left) => keys.has(bytesToHex(left))),
        [],
      );
    }),
    { seed, numRuns: 150 },
  );
});
