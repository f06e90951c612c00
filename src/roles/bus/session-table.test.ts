import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ManualClock, manualClock } from '../../../test/support/manual-clock.ts';
import { turn } from '../../../test/support/turns.ts';
import type { Session } from '../session.ts';
import { type SessionFacts, SessionTable } from './session-table.ts';

const LOW = new Uint8Array(32).fill(1);
const HIGH = new Uint8Array(32).fill(9);

/** As much of a session as the table sees: closing takes until {@link StubSession.finish}. */
class StubSession {
  readonly peer: { readonly id: Uint8Array };
  closing = false;
  unsettled = false;
  readonly #over = Promise.withResolvers<void>();
  readonly #fails: boolean;

  constructor(peerId: Uint8Array, fails = false) {
    this.peer = { id: peerId };
    this.#fails = fails;
  }

  get over(): Promise<void> {
    return this.#over.promise;
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.over;
    if (this.#fails) throw new Error('not in order');
  }

  async finish(): Promise<void> {
    this.closing = true;
    this.#over.resolve();
    await turn();
  }

  get asSession(): Session {
    return this as unknown as Session;
  }
}

const initiator: SessionFacts = { role: 'initiator', overlapped: false };
const responder: SessionFacts = { role: 'responder', overlapped: false };
const bothAtOnce = { initiator: { ...initiator, overlapped: true }, responder: { ...responder, overlapped: true } };

/** A table of whoever has `ownId`, and sessions in it with one peer. */
function table(ownId: Uint8Array, peerId: Uint8Array) {
  const clock: ManualClock = manualClock();
  const sessions = new SessionTable(clock, ownId);
  const add = (facts: SessionFacts, fails = false): StubSession => {
    const session = new StubSession(peerId, fails);
    sessions.add(session.asSession, facts);
    return session;
  };
  const current = (): unknown => sessions.current(peerId);
  return { clock, sessions, add, current };
}

test('sent is in the newest session, whoever began it, and in the one before once that is over', async () => {
  const { sessions, add, current } = table(LOW, HIGH);
  assert.equal(current(), undefined);
  const first = add(initiator);
  const second = add(responder);
  assert.equal(current(), second);
  void second.close();
  assert.equal(current(), second, 'what was sent in it comes before what follows');
  await second.finish();
  assert.equal(current(), first);
  assert.deepEqual(sessions.all(), [first]);
  await first.finish();
  assert.equal(current(), undefined);
  assert.deepEqual(sessions.all(), []);
  assert.equal(sessions.current(LOW), undefined);
});

for (const [who, ownId, peerId, kept] of [
  ['lower', LOW, HIGH, 'initiator'],
  ['higher', HIGH, LOW, 'responder'],
] as const) {
  test(`of two that were begun at once the side with the ${who} id sends in that of the lower`, () => {
    for (const order of [
      ['initiator', 'responder'],
      ['responder', 'initiator'],
    ] as const) {
      const { add, current } = table(ownId, peerId);
      const made = Object.fromEntries(order.map((role) => [role, add(bothAtOnce[role])]));
      assert.equal(current(), made[kept], order.join(', then '));
    }
  });
}

test('one that only says that it overlapped does not stand behind one of the same direction', () => {
  const { add, current } = table(LOW, HIGH);
  add(bothAtOnce.responder);
  const next = add(bothAtOnce.responder);
  assert.equal(current(), next);
});

test('one that is not sent in is ended when no message came in it for half a minute', async () => {
  const { clock, sessions, add, current } = table(LOW, HIGH);
  const used = add(initiator);
  clock.advance(100_000);
  const idle = add(initiator);
  const newest = add(responder);
  clock.advance(20_000);
  sessions.heard(used.asSession);
  clock.advance(9_999);
  assert.deepEqual([used.closing, idle.closing], [false, false], 'a session that was current has its time too');
  clock.advance(1);
  assert.deepEqual([used.closing, idle.closing], [false, true]);
  clock.advance(20_000);
  assert.deepEqual([used.closing, newest.closing], [true, false]);
  clock.advance(1_000_000);
  assert.equal(newest.closing, false);
  assert.equal(current(), newest);
  await idle.finish();
  await used.finish();
  assert.equal(clock.pending, 0);
});

test('the last but one that becomes current again is kept', async () => {
  const { clock, add, current } = table(LOW, HIGH);
  const first = add(initiator);
  const second = add(initiator);
  clock.advance(29_000);
  await second.finish();
  clock.advance(1_000_000);
  assert.equal(first.closing, false);
  assert.equal(current(), first);
  assert.equal(clock.pending, 0);
});

test('a fifth session makes the oldest go, and a sixth the next one, however long their ends take', async () => {
  const { add, sessions, clock } = table(LOW, HIGH);
  const made = Array.from({ length: 6 }, (_, i) => add(initiator, i === 0));
  assert.deepEqual(
    made.map(({ closing }) => closing),
    [true, true, false, false, false, false],
  );
  for (const one of made) await one.finish();
  assert.deepEqual(sessions.all(), []);
  assert.equal(clock.pending, 0);
});

test('each peer has a place of its own', () => {
  const { add, sessions } = table(LOW, HIGH);
  const other = new StubSession(new Uint8Array(32).fill(5));
  for (let i = 0; i < 4; i++) add(initiator);
  sessions.add(other.asSession, responder);
  assert.equal(sessions.current(other.peer.id), other);
  assert.ok(sessions.all().every(({ closing }) => !closing));
});

test('what is under way in other sessions with the same peer is not to be overtaken', async () => {
  const { add, sessions } = table(LOW, HIGH);
  const first = add(bothAtOnce.initiator);
  const second = add(bothAtOnce.responder);
  assert.deepEqual(sessions.unsettledBeside(first.asSession), []);
  first.unsettled = true;
  second.unsettled = true;
  assert.deepEqual(sessions.unsettledBeside(first.asSession), [second]);
  assert.deepEqual(sessions.unsettledBeside(second.asSession), [first]);
  second.unsettled = false;
  assert.deepEqual(sessions.unsettledBeside(first.asSession), []);
  await first.finish();
  assert.deepEqual(sessions.unsettledBeside(second.asSession), []);
});

test('a peer that begins anew out of the blue has lost what is under way: that session is ended at once', () => {
  const { add } = table(LOW, HIGH);
  const [settled, unsettled] = [add(initiator), add(responder)];
  unsettled.unsettled = true;
  add(responder);
  assert.deepEqual([settled.closing, unsettled.closing], [false, true]);
  const crossed = table(LOW, HIGH);
  const own = crossed.add(bothAtOnce.initiator);
  own.unsettled = true;
  crossed.add(bothAtOnce.responder);
  assert.equal(own.closing, false, 'of two that cross neither is lost');
});

test('a message in a session that its sender has left for another one comes late', () => {
  const { add, sessions } = table(LOW, HIGH);
  const [first, second] = [add(initiator), add(responder)];
  const heard = (session: StubSession): boolean => sessions.heard(session.asSession);
  assert.deepEqual(
    [heard(first), heard(second), heard(second), heard(first), heard(second)],
    [false, false, false, true, false],
  );
  const third = add(responder);
  assert.deepEqual([heard(third), heard(second), heard(first)], [false, true, true]);
});

test('a message in a session that nothing had come in before comes late where a newer one was heard', () => {
  const { add, sessions } = table(LOW, HIGH);
  const [first, second] = [add(initiator), add(responder)];
  assert.equal(sessions.heard(second.asSession), false);
  assert.deepEqual([sessions.heard(first.asSession), sessions.heard(first.asSession)], [true, true]);
  assert.equal(sessions.heard(second.asSession), false);
});

test('of two that crossed a sender may come to either from the other', async () => {
  const { add, sessions } = table(LOW, HIGH);
  const [first, second] = [add(bothAtOnce.initiator), add(bothAtOnce.responder)];
  assert.equal(sessions.heard(second.asSession), false);
  assert.equal(sessions.heard(first.asSession), false);
  assert.equal(sessions.heard(second.asSession), true);
  await first.finish();
  assert.equal(sessions.heard(second.asSession), false, 'the one that it was left for is over');
  assert.equal(sessions.heard(first.asSession), false, 'nobody knows it any more');
});
