import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { channelOf } from '../../../test/support/channels.ts';
import { bytesToHex } from '../bytes.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { isSealwireError } from '../errors.ts';
import { GRANT_OWED_MAX_MS } from '../limits.ts';
import { ReceivingRatchet } from '../ratchet/receiving.ts';
import type { Grant } from './grant.ts';
import { WriterRatchet } from './writer-ratchet.ts';

const seed = 20261124;
const NOW_MS = 1_782_864_000_000;
const reader = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const stream = new Uint8Array(8).fill(0x57);

/** As {@link nobleCrypto}, but every draw can be told. */
function countingCrypto() {
  let draws = 0;
  const random = (length: number): Uint8Array => {
    draws += 1;
    return nobleCrypto.sha256(Uint8Array.of(draws)).slice(0, length);
  };
  return { ...nobleCrypto, random };
}

function begin(more: { readonly history?: boolean } = {}): WriterRatchet {
  return WriterRatchet.begin(countingCrypto(), {
    ...{ channel: 'plant', stream, n: 0, nowMs: NOW_MS, history: false },
    ...more,
  });
}

/** Seals so many frames of one message each; their keys in hex. */
function seal(ratchet: WriterRatchet, count: number): string[] {
  return Array.from({ length: count }, () => bytesToHex(ratchet.sending.take().key));
}

/** What a grant opens of `keys`, which are those of all frames so far. */
function opens(grant: Grant, keys: readonly string[]): number[] {
  const ratchet = new ReceivingRatchet(nobleCrypto, grant);
  return keys.flatMap((key, seq) => {
    if (seq < grant.seq) return [];
    const candidate = ratchet.lookUp(seq);
    return bytesToHex(candidate.key) === key ? [seq] : [];
  });
}

function grantTo(ratchet: WriterRatchet, n: number): Grant {
  const grant = ratchet.grantFor(reader(n));
  assert.ok(grant, `nothing for reader ${n}`);
  return grant;
}

test('a grant opens what is sealed from then on, and names what it is for', () => {
  const ratchet = begin();
  ratchet.entitle(reader(1), 0, NOW_MS);
  const keys = seal(ratchet, 4);
  ratchet.entitle(reader(2), 9, NOW_MS);
  keys.push(...seal(ratchet, 3));
  assert.deepEqual(opens(grantTo(ratchet, 1), keys), [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(opens(grantTo(ratchet, 2), keys), [4, 5, 6]);
  const { chainKey, ...rest } = grantTo(ratchet, 2);
  assert.deepEqual(rest, { channel: 'plant', ratchetId: ratchet.ratchetId, seq: 4, stream, n: 9 });
  assert.equal(chainKey.length, 32);
  assert.equal(ratchet.grantFor(reader(3)), null);
});

test('once all who are owed a key have it, it is gone', () => {
  const ratchet = begin();
  for (const n of [1, 2]) ratchet.entitle(reader(n), 0, NOW_MS);
  seal(ratchet, 4);
  assert.ok(ratchet.owes);
  ratchet.acknowledge(reader(1), 0);
  assert.ok(ratchet.owes);
  ratchet.acknowledge(reader(2), 0);
  assert.ok(!ratchet.owes);
  assert.deepEqual([ratchet.grantFor(reader(1)), ratchet.grantFor(reader(2))], [null, null]);
  assert.deepEqual(
    [1, 2, 3].map((n) => ratchet.isEntitled(reader(n))),
    [true, true, false],
  );
  assert.deepEqual(ratchet.entitledIds(), [reader(1), reader(2)]);
});

test('only the one who is owed a key acknowledges it, and only that key', () => {
  const ratchet = begin();
  ratchet.entitle(reader(1), 0, NOW_MS);
  seal(ratchet, 2);
  ratchet.entitle(reader(2), 2, NOW_MS);
  ratchet.acknowledge(reader(1), 2);
  ratchet.acknowledge(reader(2), 0);
  ratchet.acknowledge(reader(3), 0);
  assert.deepEqual([grantTo(ratchet, 1).seq, grantTo(ratchet, 2).seq], [0, 2]);
});

test('who may read already begins no earlier and no later when it is said again', () => {
  const ratchet = begin();
  ratchet.entitle(reader(1), 0, NOW_MS);
  seal(ratchet, 2);
  ratchet.entitle(reader(1), 2, NOW_MS);
  assert.deepEqual([grantTo(ratchet, 1).seq, grantTo(ratchet, 1).n], [0, 0]);
});

test('who lost its keys goes on from the next frame', () => {
  const ratchet = begin();
  ratchet.entitle(reader(1), 0, NOW_MS);
  const keys = seal(ratchet, 3);
  ratchet.acknowledge(reader(1), 0);
  ratchet.renew(reader(1), 3, NOW_MS);
  keys.push(...seal(ratchet, 1));
  assert.deepEqual(opens(grantTo(ratchet, 1), keys), [3]);
});

test('a removed reader gets nothing more, and nothing is kept for it', () => {
  const ratchet = begin();
  for (const n of [1, 2]) ratchet.entitle(reader(n), 0, NOW_MS);
  seal(ratchet, 2);
  ratchet.acknowledge(reader(1), 0);
  for (const n of [1, 2, 3]) ratchet.drop(reader(n));
  seal(ratchet, 2);
  assert.deepEqual([ratchet.grantFor(reader(1)), ratchet.grantFor(reader(2))], [null, null]);
  assert.deepEqual([ratchet.owes, ratchet.entitledIds()], [false, []]);
  ratchet.acknowledge(reader(2), 0);
  assert.equal(ratchet.grantFor(reader(2)), null);
});

test('what was owed for a day is given up; who came later has its own day', () => {
  const ratchet = begin();
  ratchet.entitle(reader(1), 0, NOW_MS);
  seal(ratchet, 2);
  ratchet.entitle(reader(2), 2, NOW_MS + 3_600_000);
  ratchet.entitle(reader(3), 2, NOW_MS);
  ratchet.acknowledge(reader(3), 2);
  ratchet.expire(NOW_MS + GRANT_OWED_MAX_MS - 1);
  assert.equal(grantTo(ratchet, 1).seq, 0);
  ratchet.expire(NOW_MS + GRANT_OWED_MAX_MS + 60_000);
  assert.equal(ratchet.grantFor(reader(1)), null);
  assert.ok(!ratchet.isEntitled(reader(1)));
  assert.equal(grantTo(ratchet, 2).seq, 2);
  assert.ok(ratchet.isEntitled(reader(3)));
  ratchet.expire(NOW_MS + GRANT_OWED_MAX_MS + 3_600_000);
  assert.equal(ratchet.grantFor(reader(2)), null);
  ratchet.entitle(reader(1), 2, NOW_MS);
  assert.equal(grantTo(ratchet, 1).seq, 2);
});

test('a clock that is set back puts off neither that nor a new ratchet', () => {
  const ratchet = begin();
  ratchet.entitle(reader(1), 0, NOW_MS);
  ratchet.expire(NOW_MS - GRANT_OWED_MAX_MS);
  assert.equal(ratchet.grantFor(reader(1)), null);
  const channel = channelOf({ rotateAfterMs: 1000, rotateAfterFrames: 3 });
  assert.ok(!ratchet.mustRotate(NOW_MS + 999, channel));
  assert.ok(ratchet.mustRotate(NOW_MS + 1000, channel));
  assert.ok(ratchet.mustRotate(NOW_MS - 1000, channel));
});

test('after so many frames there has to be a new ratchet', () => {
  const ratchet = begin();
  const channel = channelOf({ rotateAfterFrames: 3 });
  seal(ratchet, 2);
  assert.ok(!ratchet.mustRotate(NOW_MS, channel));
  seal(ratchet, 1);
  assert.ok(ratchet.mustRotate(NOW_MS, channel));
});

test('with history everybody opens everything, whenever it comes, and again', () => {
  const ratchet = begin({ history: true });
  const keys = seal(ratchet, 3);
  ratchet.entitle(reader(1), 3, NOW_MS);
  ratchet.acknowledge(reader(1), 0);
  keys.push(...seal(ratchet, 2));
  ratchet.expire(NOW_MS + GRANT_OWED_MAX_MS);
  ratchet.entitle(reader(2), 5, NOW_MS + GRANT_OWED_MAX_MS);
  ratchet.expire(NOW_MS + 3 * GRANT_OWED_MAX_MS);
  assert.equal(ratchet.grantFor(reader(2)), null);
  ratchet.entitle(reader(2), 5, NOW_MS + 3 * GRANT_OWED_MAX_MS);
  for (const n of [1, 2]) {
    const grant = grantTo(ratchet, n);
    assert.deepEqual([grant.seq, grant.n], [0, 0]);
    assert.deepEqual(opens(grant, keys), [0, 1, 2, 3, 4]);
  }
});

test('an erased ratchet seals nothing and gives nothing', () => {
  for (const history of [false, true]) {
    const ratchet = begin({ history });
    ratchet.entitle(reader(1), 0, NOW_MS);
    ratchet.erase();
    assert.equal(ratchet.grantFor(reader(1)), null);
    assert.ok(!ratchet.owes);
    assert.throws(
      () => ratchet.sending.take(),
      (error) => isSealwireError(error, 'session-closed'),
    );
  }
});

interface Step {
  readonly what: string;
  readonly of: number;
  readonly at: number;
}

/** What a writer owes whom, the long way: the first seq of each reader, and null once it has acknowledged. */
type Debts = Map<number, { readonly from: number; owed: boolean }>;

function takeStep(ratchet: WriterRatchet, debts: Debts, keys: string[], { what, of, at }: Step): void {
  const next = keys.length;
  if (what === 'seal') keys.push(...seal(ratchet, at + 1));
  else if (what === 'entitle') {
    ratchet.entitle(reader(of), next, NOW_MS);
    if (!debts.has(of)) debts.set(of, { from: next, owed: true });
  } else if (what === 'renew') {
    ratchet.renew(reader(of), next, NOW_MS);
    debts.set(of, { from: next, owed: true });
  } else if (what === 'drop') {
    ratchet.drop(reader(of));
    debts.delete(of);
  } else {
    ratchet.acknowledge(reader(of), at);
    const debt = debts.get(of);
    if (debt?.from === at) debt.owed = false;
  }
}

test('whatever happens: each opens from its first frame on, and no key is kept from before the oldest that is owed', () => {
  const step = fc.record({
    what: fc.constantFrom('seal', 'seal', 'entitle', 'acknowledge', 'acknowledge', 'renew', 'drop'),
    of: fc.nat(4),
    at: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const ratchet = begin();
      const debts: Debts = new Map();
      const keys: string[] = [];
      for (const next of steps) {
        takeStep(ratchet, debts, keys, next);
        const owed = [...debts.values()].filter((debt) => debt.owed);
        assert.equal(ratchet.owes, owed.length > 0);
        for (const n of [0, 1, 2, 3, 4]) {
          const debt = debts.get(n);
          const grant = ratchet.grantFor(reader(n));
          assert.equal(ratchet.isEntitled(reader(n)), debt !== undefined);
          if (debt?.owed) assert.equal(grant?.seq, debt.from);
          if (!grant) continue;
          assert.equal(grant.seq, debt?.from);
          assert.ok(owed.some(({ from }) => from === grant.seq));
          assert.deepEqual(opens(grant, keys), [...keys.keys()].slice(grant.seq));
        }
      }
    }),
    { seed, numRuns: 150 },
  );
});

test('what a ratchet was begun with is not left in memory', () => {
  const drawn: Uint8Array[] = [];
  const crypto = countingCrypto();
  const noting = {
    ...crypto,
    random: (length: number): Uint8Array => {
      const bytes = crypto.random(length);
      if (length === 32) drawn.push(bytes);
      return bytes;
    },
  };
  WriterRatchet.begin(noting, { channel: 'plant', stream, n: 0, nowMs: NOW_MS, history: false });
  assert.deepEqual(drawn, [new Uint8Array(32)]);
});
