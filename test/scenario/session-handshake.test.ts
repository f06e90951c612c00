import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSealwireError } from '../../src/core/errors.ts';
import { Handoff } from '../../src/core/handoff.ts';
import { TUNING } from '../../src/core/limits.ts';
import type { Connection, Listener } from '../../src/core/ports.ts';
import { Listening } from '../../src/roles/listening.ts';
import { memoryPair } from '../../src/roles/memory.ts';
import type { Session } from '../../src/roles/session.ts';
import { NOW_MS } from '../support/identities.ts';
import { manualClock } from '../support/manual-clock.ts';
import { hear, say } from '../support/messages.ts';
import { elapse, identityOf, peerOf } from '../support/session-pair.ts';
import { standstill, until } from '../support/turns.ts';

const timeout = 20_000;

function refusedAs(code: string): (error: unknown) => boolean {
  return (error) => isSealwireError(error) && error.code === code;
}

/** True once the connection is closed from this side: it takes nothing more. */
async function isClosed(connection: Connection): Promise<boolean> {
  return connection.send(new Uint8Array(1)).then(
    () => false,
    () => true,
  );
}

test('both ends know each other, by name and id, and share one session id', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const [alice, bob] = [await peerOf('alice', clock), await peerOf('bob', clock)];
  const { a, b } = memoryPair();
  const [near, far] = await Promise.all([alice.open(a, (await identityOf('bob')).id), bob.answer(b)]);
  assert.deepEqual([near.peer.name, far.peer.name], ['bob', 'alice']);
  assert.deepEqual(near.id, far.id);
  assert.equal(near.id.length, 16);
  await Promise.all([near.close(), far.close()]);
  assert.equal(clock.pending, 0);
});

test('somebody else than expected answers: `identity-mismatch`, and nothing of ours was sent', {
  timeout,
}, async () => {
  const clock = manualClock(NOW_MS);
  const [alice, carol] = [await peerOf('alice', clock), await peerOf('carol', clock)];
  for (const expected of ['bob', (await identityOf('bob')).id]) {
    const { a, b } = memoryPair();
    const answered = assert.rejects(carol.answer(b), refusedAs('handshake-failed'));
    await assert.rejects(alice.open(a, expected), refusedAs('identity-mismatch'));
    await answered;
    assert.deepEqual([await isClosed(a), await isClosed(b)], [true, true]);
  }
  assert.equal(clock.pending, 0);
});

test('nobody we trust: `identity-unknown`, on whichever side', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const strangers = memoryPair();
  const alone = await peerOf('alice', clock, { trusts: ['carol'] });
  const bob = await peerOf('bob', clock);
  const answered = assert.rejects(bob.answer(strangers.b), refusedAs('handshake-failed'));
  await assert.rejects(alone.open(strangers.a, null), refusedAs('identity-unknown'));
  await answered;
  const reserved = await peerOf('bob', clock, { trusts: ['carol'] });
  const { a, b } = memoryPair();
  const refused = assert.rejects(reserved.answer(b), refusedAs('identity-unknown'));
  const alice = await peerOf('alice', clock);
  // The Initiator is told that it was refused, and no more.
  await assert.rejects(alice.open(a, 'bob'), refusedAs('handshake-failed'));
  await refused;
  assert.equal(clock.pending, 0);
});

test('trust that was given meanwhile counts for the next handshake', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const trusted: { name: string; id: Uint8Array }[] = [];
  const bob = await peerOf('bob', clock, { options: { anchors: () => trusted } });
  const alice = await peerOf('alice', clock);
  const meet = async (): Promise<Session> => {
    const { a, b } = memoryPair();
    const [near, far] = await Promise.allSettled([alice.open(a, 'bob'), bob.answer(b)]);
    if (near.status === 'rejected') throw near.reason;
    assert.equal(far.status, 'fulfilled');
    return near.value;
  };
  await assert.rejects(meet(), refusedAs('handshake-failed'));
  trusted.push({ name: 'alice', id: alice.identity.id });
  const session = await meet();
  await session.close();
});

test('oneself is not a peer: a reflected handshake fails', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const alice = await peerOf('alice', clock, { trusts: ['alice', 'bob'] });
  const { a, b } = memoryPair();
  const answered = alice.answer(b).catch((error: unknown) => error);
  await assert.rejects(alice.open(a, null), isSealwireError);
  assert.ok(isSealwireError(await answered));
});

test('a silent peer: `handshake-timeout`, whoever began, and the connection is closed', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const alice = await peerOf('alice', clock);
  for (const begin of [(end: Connection) => alice.open(end, 'bob'), (end: Connection) => alice.answer(end)]) {
    const { a, b } = memoryPair();
    let over = 0;
    const outcome = begin(a).catch((error: unknown) => {
      over += 1;
      return error;
    });
    await standstill(() => over);
    clock.advance(TUNING.handshakeTimeoutMs - 1);
    await standstill(() => over);
    assert.equal(over, 0);
    clock.advance(1);
    assert.ok(refusedAs('handshake-timeout')(await outcome));
    assert.deepEqual([await isClosed(a), await isClosed(b)], [true, true]);
  }
  assert.equal(clock.pending, 0);
});

test('a peer that stops half way is given up in the same time', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const [alice, bob] = [await peerOf('alice', clock), await peerOf('bob', clock)];
  const toAlice = memoryPair();
  const toBob = memoryPair();
  const outcomes = Promise.allSettled([alice.open(toAlice.a, 'bob'), bob.answer(toBob.b)]);
  // message_1 and message_2 pass; message_3 never arrives.
  const fromAlice = toAlice.b.receive();
  const fromBob = toBob.a.receive();
  await toBob.a.send((await fromAlice.next()).value ?? new Uint8Array(1));
  await toAlice.b.send((await fromBob.next()).value ?? new Uint8Array(1));
  await elapse(clock, outcomes);
  for (const outcome of await outcomes) {
    assert.ok(outcome.status === 'rejected' && refusedAs('handshake-timeout')(outcome.reason));
  }
});

const garbage: Record<string, Uint8Array> = {
  'no CBOR': new Uint8Array(40).fill(0xff),
  'an envelope without a message': Uint8Array.of(0x81, 0xf6),
  'an empty message': Uint8Array.of(0x82, 0xf6, 0x40),
  'a message of noise': Uint8Array.of(0x82, 0xf6, 0x58, 0x20, ...new Uint8Array(32).fill(7)),
  'another connection id': Uint8Array.of(0x82, 0x48, ...new Uint8Array(8), 0x41, 0),
};

for (const [what, unit] of Object.entries(garbage)) {
  test(`garbage in the place of a handshake message is refused: ${what}`, { timeout }, async () => {
    const clock = manualClock(NOW_MS);
    const [alice, bob] = [await peerOf('alice', clock), await peerOf('bob', clock)];
    const toBob = memoryPair();
    await toBob.a.send(unit);
    await assert.rejects(bob.answer(toBob.b), isSealwireError);
    const toAlice = memoryPair();
    const opened = assert.rejects(alice.open(toAlice.a, 'bob'), isSealwireError);
    await toAlice.b.send(unit);
    await opened;
    assert.deepEqual([await isClosed(toAlice.a), await isClosed(toBob.b)], [true, true]);
    assert.equal(clock.pending, 0);
  });
}

test('a connection that closes during the handshake is told as such', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const alice = await peerOf('alice', clock);
  const { a, b } = memoryPair();
  const opened = assert.rejects(alice.open(a, 'bob'), refusedAs('handshake-failed'));
  await b.close();
  await opened;
  const { a: c, cut } = memoryPair();
  const answered = assert.rejects(alice.answer(c), refusedAs('stream-cut'));
  cut();
  await answered;
});

/** A listener that connections are put into by hand. */
class HandListener implements Listener {
  readonly address = 'memory://';
  readonly #connections = new Handoff<Connection>();

  /** The other end of a new connection. */
  connect(): Connection {
    const { a, b } = memoryPair();
    this.#connections.put(b);
    return a;
  }

  accept(): AsyncIterableIterator<Connection> {
    return this.#connections.items();
  }

  async close(): Promise<void> {
    this.#connections.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

test('listening: sessions as they come, those refused are told, and closing closes all', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const listener = new HandListener();
  const refused: string[] = [];
  const bob = await peerOf('bob', clock, { trusts: ['alice'] });
  const listening = new Listening(bob, listener, { onRefused: ({ code }) => void refused.push(code) });
  const carol = await peerOf('carol', clock);
  await assert.rejects(carol.open(listener.connect(), 'bob'), refusedAs('handshake-failed'));
  await until(() => refused.length === 1);
  assert.deepEqual(refused, ['identity-unknown']);
  const alice = await peerOf('alice', clock);
  const sessions = listening[Symbol.asyncIterator]();
  const near = await alice.open(listener.connect(), 'bob');
  const { value: far } = await sessions.next();
  assert.ok(far);
  await say(near, 'hello');
  assert.deepEqual(await hear(far, 1), ['hello']);
  const halfOpen = listener.connect();
  await until(() => clock.pending > 0);
  await listening.close();
  await Promise.all([near.over, far.over]);
  assert.equal((await sessions.next()).done, true);
  assert.equal(await isClosed(halfOpen), true);
});

test('listening: handshakes under way are bounded, and the oldest makes room', { timeout }, async () => {
  const clock = manualClock(NOW_MS);
  const listener = new HandListener();
  const refused: string[] = [];
  const bob = await peerOf('bob', clock);
  await using listening = new Listening(bob, listener, {
    halfOpenMax: 2,
    onRefused: ({ code }) => void refused.push(code),
  });
  const silent = [listener.connect(), listener.connect(), listener.connect()];
  await until(() => refused.length >= 1);
  const alice = await peerOf('alice', clock);
  const session = await alice.open(listener.connect(), 'bob');
  await until(() => refused.length >= 2);
  assert.deepEqual(refused, ['overloaded', 'overloaded']);
  assert.deepEqual(await Promise.all(silent.map(isClosed)), [true, true, false]);
  await session.close();
  assert.equal(listening.address, 'memory://');
});
