import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex, equalBytes } from '../../src/core/bytes.ts';
import { isSealwireError, SealwireError } from '../../src/core/errors.ts';
import type { Envelope } from '../../src/core/handshake/envelope.ts';
import type { Anchor } from '../../src/core/identity/path.ts';
import { TUNING } from '../../src/core/limits.ts';
import { INBOX_TUNING } from '../../src/roles/inbox/inbox-tuning.ts';
import type { Initiated } from '../../src/roles/inbox/initiation.ts';
import { assertSame, type Two, two } from '../support/inbox-attacks.ts';
import { enter, InboxNet, type Parcel } from '../support/inbox-net.ts';
import { refused } from '../support/refused.ts';
import { pinsOf } from '../support/session-pair.ts';
import { until } from '../support/turns.ts';

const timeout = 60_000;

/** Alice begins with Bob and time goes by until that has come to its end. */
function meet({ net, alice, bob }: Two): Promise<Initiated> {
  return net.elapse(alice.handshakes.initiate(bob.id, 'bob'));
}

const bytes = (envelopes: readonly Envelope[]): string[] => envelopes.map(({ message }) => bytesToHex(message));

/** Drops the parcels whose number, counted from 1 over both ways, is among `numbers`. */
function dropping(net: InboxNet, ...numbers: readonly number[]): void {
  net.fate = (parcel) => (numbers.includes(net.sent.length) ? [] : [parcel]);
}

test('four units and two sides that know each other, with one session between them', { timeout }, async () => {
  const { net, alice, bob } = await two();
  const near = await meet({ net, alice, bob });
  assertSame(near, bob.sessions[0]);
  assert.deepEqual([near.start.peer.name, bob.sessions[0]?.start.peer.name], ['bob', 'alice']);
  assert.deepEqual([near.overlapped, bob.sessions[0]?.overlapped], [false, false]);
  assert.equal(net.sent.length, 4);
  assert.equal(alice.sessions.length, 0, 'who began is told by the result alone');
  assert.equal(bob.handshakes.halfOpen, 0);
});

for (const lost of [1, 2, 3, 4]) {
  test(`message_${lost} is lost: what was sent is sent again, byte for byte`, { timeout }, async () => {
    const parts = await two();
    const { net, alice, bob } = parts;
    dropping(net, lost);
    assertSame(await meet(parts), bob.sessions[0]);
    assert.equal(bob.sessions.length, 1);
    const [out, back] = [bytes(net.envelopes(alice.id, bob.id)), bytes(net.envelopes(bob.id, alice.id))];
    assert.deepEqual([new Set(out).size, new Set(back).size], [2, 2], 'four different messages');
    // A lost answer is asked for again, so that both go twice.
    assert.equal(net.sent.length, lost % 2 === 1 ? 5 : 6);
  });
}

test('all that travels is doubled: one session, and every message was built once', { timeout }, async () => {
  const parts = await two();
  const { net, bob } = parts;
  net.fate = (parcel) => [parcel, { ...parcel, delayMs: 300 }, { ...parcel, delayMs: 5_000 }];
  assertSame(await meet(parts), bob.sessions[0]);
  await net.wait(6_000);
  assert.equal(bob.sessions.length, 1);
  assert.equal(new Set(net.sent.map(({ unit }) => bytesToHex(unit))).size, 4);
});

test('no message_4 ever comes: `handshake-timeout`, and what was kept for it is forgotten', { timeout }, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  let confirmations = 0;
  net.fate = (parcel) => {
    if (bob.sessions.length === 0 || !equalBytes(parcel.from, bob.id)) return [parcel];
    confirmations += 1;
    return [];
  };
  await refused(meet(parts), 'handshake-timeout', /answered, but did not confirm the handshake within 10000 ms/);
  assert.ok(confirmations >= 5, `${confirmations} copies`);
  assert.equal(bob.sessions.length, 1);
  await net.wait(INBOX_TUNING.answeredKeepMs);
  // By now nothing is kept: a duplicate is nobody's.
  const before = net.sent.length;
  const last = net.sent.findLast(({ from }) => equalBytes(from, alice.id));
  assert.ok(last);
  await net.inject(last);
  assert.equal(net.sent.length, before);
  assert.equal(net.clock.pending, 0);
});

test('nobody is there: `peer-offline` when the time is up, after ever longer pauses', { timeout }, async () => {
  const net = new InboxNet();
  const alice = await enter(net, 'alice');
  const [bob] = await pinsOf(['bob']);
  assert.ok(bob && 'id' in bob);
  const begin = net.clock.now();
  await refused(
    net.elapse(alice.handshakes.initiate(bob.id, 'bob')),
    'peer-offline',
    /did not answer within 10000 ms\.$/,
  );
  assert.equal(net.clock.now() - begin, TUNING.handshakeTimeoutMs);
  const at = net.sent.map(({ atMs }) => atMs - begin);
  const pauses = at.slice(1).map((ms, i) => ms - (at[i] ?? 0));
  let meant: number = INBOX_TUNING.resendFirstMs;
  for (const pause of pauses) {
    assert.ok(pause >= meant * 0.75 && pause <= meant * 1.25, `${pause} is about ${meant}`);
    meant = Math.min(INBOX_TUNING.resendMaxMs, meant * 1.5);
  }
  assert.ok(pauses.length >= 6 && new Set(pauses).size === pauses.length, String(pauses));
  assert.equal(new Set(net.sent.map(({ unit }) => bytesToHex(unit))).size, 1);
  assert.equal(net.clock.pending, 0);
});

test('two that begin at once send at different times', { timeout }, async () => {
  const net = new InboxNet();
  const actors = [await enter(net, 'alice'), await enter(net, 'carol')];
  const [bob] = await pinsOf(['bob']);
  assert.ok(bob && 'id' in bob);
  const tries = actors.map(({ handshakes }) => assert.rejects(handshakes.initiate(bob.id, null)));
  await net.elapse(Promise.all(tries));
  const [one = [], other = []] = actors.map(({ id }) =>
    net.sent.filter(({ from }) => equalBytes(from, id)).map(({ atMs }) => atMs),
  );
  assert.deepEqual([one.length > 6, other.length > 6], [true, true]);
  assert.equal(one.filter((ms) => other.includes(ms)).length, 1, 'the first alone at the same time');
});

test('the peer does not trust us: it says so, we try to the end, and it is a refusal then', { timeout }, async () => {
  const net = new InboxNet();
  const alice = await enter(net, 'alice');
  const bob = await enter(net, 'bob', { trusts: ['carol'] });
  await refused(net.elapse(alice.handshakes.initiate(bob.id, 'bob')), 'handshake-failed', /refused the handshake/);
  assert.deepEqual(bob.refused, ['identity-unknown'], 'told once, however often it was asked');
  assert.deepEqual(bob.sessions, []);
});

test('trust that is given while the other side still tries is enough', { timeout }, async () => {
  const net = new InboxNet();
  const trusted: Anchor[] = [];
  const alice = await enter(net, 'alice');
  const bob = await enter(net, 'bob', { anchors: () => trusted });
  const near = alice.handshakes.initiate(bob.id, 'bob');
  await net.wait(500);
  assert.deepEqual(bob.refused, ['identity-unknown']);
  trusted.push(...(await pinsOf(['alice'])));
  assertSame(await net.elapse(near), bob.sessions[0]);
});

test('somebody else answers in the peer’s place: nothing is sent to it, and the peer is still heard', {
  timeout,
}, async () => {
  const net = new InboxNet();
  const [alice, bob] = [await enter(net, 'alice'), await enter(net, 'bob')];
  const carol = await enter(net, 'carol', {
    send: async (to, unit) => net.send({ from: bob.id, to, unit }),
  });
  const astray = (parcel: Parcel): Parcel[] =>
    equalBytes(parcel.to, bob.id) ? [{ ...parcel, to: carol.id }] : [parcel];
  const toBob = (): number => net.envelopes(alice.id, bob.id).filter(({ connectionId }) => connectionId).length;
  for (const expected of ['bob', bob.id, null]) {
    net.fate = astray;
    await refused(
      net.elapse(alice.handshakes.initiate(bob.id, expected)),
      'identity-mismatch',
      /but carol .* answered/,
    );
    assert.equal(toBob(), 0, 'no message_3');
  }
  const near = alice.handshakes.initiate(bob.id, 'bob');
  await net.wait(3_000);
  net.fate = (parcel) => [parcel];
  assertSame(await net.elapse(near), bob.sessions[0]);
  assert.deepEqual(carol.sessions, []);
});

test('the inbox is the right one, the name is not: `identity-mismatch`', { timeout }, async () => {
  const { net, alice, bob } = await two();
  const wrong = net.elapse(alice.handshakes.initiate(bob.id, 'carol'));
  await refused(wrong, 'identity-mismatch', /Expected carol, but bob/);
  assert.deepEqual(bob.sessions, []);
});

test('oneself is no peer, and what comes from oneself is nothing', { timeout }, async () => {
  const { net, alice, bob } = await two();
  await refused(alice.handshakes.initiate(alice.id, null), 'usage', /is this identity itself/);
  await refused(alice.handshakes.initiate(new Uint8Array(3), null), 'malformed', /32 bytes/);
  await assert.rejects(net.elapse(bob.handshakes.initiate(alice.id, 'carol')));
  const before = net.sent.length;
  const [message1] = net.sent;
  assert.ok(message1);
  await net.inject({ ...message1, from: alice.id, to: alice.id });
  assert.deepEqual([net.sent.length, alice.handshakes.halfOpen], [before, 0]);
  // Somebody sends everything back, in either name.
  const near = alice.handshakes.initiate(bob.id, 'bob');
  net.fate = (parcel) => [
    { ...parcel, to: parcel.from },
    { from: parcel.to, to: parcel.from, unit: parcel.unit },
  ];
  await assert.rejects(net.elapse(near), isSealwireError);
  assert.deepEqual([alice.sessions, bob.sessions], [[], []]);
});

test('both begin at once: two sessions, and both ends of both know that they overlapped', { timeout }, async () => {
  const { net, alice, bob } = await two();
  net.fate = (parcel) => [{ ...parcel, delayMs: 100 }];
  const [there, back] = await net.elapse(
    Promise.all([alice.handshakes.initiate(bob.id, 'bob'), bob.handshakes.initiate(alice.id, 'alice')]),
  );
  assertSame(there, bob.sessions[0]);
  assertSame(back, alice.sessions[0]);
  assert.notDeepEqual(there.start.sessionId, back.start.sessionId);
  assert.deepEqual(
    [there, back, alice.sessions[0], bob.sessions[0]].map((one) => one?.overlapped),
    [true, true, true, true],
  );
  assert.deepEqual([alice.sessions.length, bob.sessions.length], [1, 1]);
  // One after the other does not overlap, and neither does one with somebody else.
  const carol = await enter(net, 'carol');
  const [again] = await net.elapse(
    Promise.all([bob.handshakes.initiate(alice.id, 'alice'), alice.handshakes.initiate(carol.id, 'carol')]),
  );
  assert.deepEqual([again.overlapped, alice.sessions[1]?.overlapped], [false, false]);
});

test('one that comes under another address than its sender’s overlaps with what is under way', {
  timeout,
}, async () => {
  const { net, alice, bob } = await two();
  const relay = new Uint8Array(32).fill(9);
  net.fate = (parcel) => {
    if (equalBytes(parcel.to, relay)) return [{ ...parcel, to: alice.id }];
    // Bob's own attempt does not get through.
    return equalBytes(parcel.from, alice.id) ? [{ ...parcel, from: relay }] : [];
  };
  const own = bob.handshakes.initiate(alice.id, 'alice');
  const near = alice.handshakes.initiate(bob.id, 'bob');
  await net.settle();
  net.fate = (parcel) => [parcel];
  assertSame(await net.elapse(near), bob.sessions[0]);
  assert.equal(bob.sessions[0]?.overlapped, true);
  assertSame(await net.elapse(own), alice.sessions[0]);
});

test('stopping while a signature or a verdict is on its way: nothing comes of it', { timeout }, async () => {
  const net = new InboxNet();
  const alice = await enter(net, 'alice');
  const [signing, judging] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const bob = await enter(net, 'bob', {
    signer: ({ publicKey, sign }) => ({
      publicKey,
      sign: async (toBeSigned) => {
        await signing.promise;
        return sign(toBeSigned);
      },
    }),
  });
  const carol = await enter(net, 'carol', {
    anchors: async () => {
      await judging.promise;
      return await pinsOf(['alice']);
    },
  });
  const begun = [bob, carol].map(({ id }) => assert.rejects(alice.handshakes.initiate(id, null)));
  // The one is still signing, the other has heard message_3.
  await until(() => net.sent.filter(({ to }) => equalBytes(to, carol.id)).length === 2);
  await until(() => carol.handshakes.halfOpen + bob.handshakes.halfOpen === 2);
  bob.handshakes.stop();
  carol.handshakes.stop();
  const before = net.sent.length;
  signing.resolve();
  judging.resolve();
  await net.settle();
  assert.equal(net.sent.length, before);
  assert.deepEqual([bob.sessions, carol.sessions, carol.refused], [[], [], []]);
  await net.elapse(Promise.all(begun));
  assert.equal(net.clock.pending, 0);
});

test('stopping ends what was begun, and nothing is left behind', { timeout }, async () => {
  const { net, alice, bob } = await two();
  net.fate = () => [];
  const near = refused(alice.handshakes.initiate(bob.id, 'bob'), 'session-closed', /stopped/);
  const [first] = net.sent;
  assert.ok(first);
  await net.inject(first);
  assert.equal(bob.handshakes.halfOpen, 1);
  alice.handshakes.stop();
  bob.handshakes.stop();
  await near;
  assert.equal(bob.handshakes.halfOpen, 0);
  assert.equal(net.clock.pending, 0);
  await net.inject(first);
  await refused(alice.handshakes.initiate(bob.id, 'bob'), 'session-closed', /stopped/);
  assert.equal(bob.handshakes.halfOpen, 0);
});

test('a carrier that takes nothing ends a handshake at once', { timeout }, async () => {
  const net = new InboxNet();
  const closed = new SealwireError('session-closed', 'The line is closed.');
  const alice = await enter(net, 'alice', { send: () => Promise.reject(closed) });
  const bob = await enter(net, 'bob', { send: () => Promise.reject(closed) });
  await refused(alice.handshakes.initiate(bob.id, 'bob'), 'session-closed', /line is closed/);
  const carol = await enter(net, 'carol');
  await refused(net.elapse(carol.handshakes.initiate(bob.id, 'bob')), 'peer-offline', /did not answer/);
  assert.equal(bob.refused[0], 'session-closed', 'who answers is told why nobody hears it');
  assert.equal(net.clock.pending, 0);
});

test('a carrier that is slow gets no second copy before it took the first', { timeout }, async () => {
  const net = new InboxNet();
  const room = Promise.withResolvers<void>();
  let copies = 0;
  const alice = await enter(net, 'alice', {
    send: () => {
      copies += 1;
      return room.promise;
    },
  });
  const [bob] = await pinsOf(['bob']);
  assert.ok(bob && 'id' in bob);
  const near = assert.rejects(alice.handshakes.initiate(bob.id, 'bob'), isSealwireError);
  await net.wait(5_000);
  assert.equal(copies, 1);
  room.resolve();
  await net.elapse(near);
  assert.ok(copies > 1);
});

test('a key that does not sign: who begins is told at once, who answers tells it', { timeout }, async () => {
  const net = new InboxNet();
  const broken = (own: { publicKey: Uint8Array }) => ({
    publicKey: own.publicKey,
    sign: () => Promise.reject(new Error('the chip is gone')),
  });
  const alice = await enter(net, 'alice', { signer: broken });
  const bob = await enter(net, 'bob');
  await refused(net.elapse(alice.handshakes.initiate(bob.id, 'bob')), 'internal', /failed/);
  await refused(net.elapse(bob.handshakes.initiate(alice.id, 'alice')), 'peer-offline', /did not answer/);
  assert.ok(alice.refused.length > 0);
  assert.deepEqual(new Set(alice.refused), new Set(['internal']));
  assert.equal(alice.handshakes.halfOpen, 0);
});
