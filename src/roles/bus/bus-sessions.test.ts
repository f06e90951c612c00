import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HostileBroker, hostileBroker } from '../../../test/support/hostile-broker.ts';
import { NOW_MS } from '../../../test/support/identities.ts';
import { type ManualClock, manualClock } from '../../../test/support/manual-clock.ts';
import { say, textOf } from '../../../test/support/messages.ts';
import { elapse, type PeerMore, peerOf } from '../../../test/support/session-pair.ts';
import { until } from '../../../test/support/turns.ts';
import { refusal } from '../../../test/support/units.ts';
import { compareBytes } from '../../core/bytes.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { inboxTopic, parseInboxTopic } from '../../core/inbox.ts';
import type { Session } from '../session.ts';
import { type Addressee, BusSessions, type BusSessionsOptions } from './bus-sessions.ts';

const timeout = 60_000;
/** Envelope and 8 bytes of ciphertext; every other message of a handshake is longer. */
const MESSAGE_4_BYTES_MAX = 30;

/** Somebody's sessions, and what is told of them. */
interface Side {
  readonly sessions: BusSessions;
  readonly address: Addressee;
  /** As they began. */
  readonly begun: Session[];
  readonly refused: ErrorCode[];
  /** What came in any session. */
  readonly heard: string[];
}

class Place implements AsyncDisposable {
  readonly clock: ManualClock = manualClock(NOW_MS);
  readonly broker: HostileBroker = hostileBroker();
  readonly #sides: Side[] = [];

  async enter(name: string, more: PeerMore & Partial<BusSessionsOptions> = {}): Promise<Side> {
    const peer = await peerOf(name, this.clock, more);
    const [begun, refused, heard]: [Session[], ErrorCode[], string[]] = [[], [], []];
    const onSession = (session: Session): void => {
      begun.push(session);
      void listen(session, heard);
    };
    const sessions = await BusSessions.open({
      peer,
      broker: this.broker.connect(name),
      qos: 1,
      onSession,
      onRefused: ({ code }) => void refused.push(code),
      ...more,
    });
    const side = { sessions, address: { id: peer.identity.id, name }, begun, refused, heard };
    this.#sides.push(side);
    return side;
  }

  elapse<T>(work: Promise<T>): Promise<T> {
    return elapse(this.clock, work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.broker.tamper();
    await this.elapse(Promise.all(this.#sides.map(({ sessions }) => sessions.close())));
  }
}

async function listen(session: Session, heard: string[]): Promise<void> {
  try {
    for await (const message of session) heard.push(textOf(message));
  } catch {
    // Lost: the test's own doing.
  }
}

test('whoever begins, both have the session, and it is the current one', { timeout }, async () => {
  await using place = new Place();
  const [alice, bob] = [await place.enter('alice'), await place.enter('bob')];
  assert.equal(alice.sessions.current(bob.address.id), undefined);
  const session = await place.elapse(alice.sessions.with(bob.address));
  assert.deepEqual(alice.begun, [session]);
  assert.equal(alice.sessions.current(bob.address.id), session);
  assert.equal(await alice.sessions.with(bob.address), session);
  assert.equal(bob.begun.length, 1);
  assert.deepEqual(bob.sessions.current(alice.address.id)?.id, session.id);
  const back = await bob.sessions.with(alice.address);
  await place.elapse(say(back, 'hello', 'delivered'));
  assert.deepEqual(alice.heard, ['hello']);
});

test('an id alone is enough to be found by; the wrong name is a mismatch; oneself is nobody to talk to', {
  timeout,
}, async () => {
  await using place = new Place();
  const [alice, bob] = [await place.enter('alice'), await place.enter('bob')];
  const { id } = bob.address;
  assert.equal(await place.elapse(refusal(alice.sessions.with({ id, name: 'carol' }))), 'identity-mismatch');
  assert.equal(alice.sessions.current(id), undefined);
  assert.equal((await place.elapse(alice.sessions.with({ id, name: null }))).peer.name, 'bob');
  assert.equal(await refusal(alice.sessions.with(alice.address)), 'usage');
});

test('what a broker kept for an inbox is dropped, whichever lane it came on', { timeout }, async () => {
  await using place = new Place();
  const [alice, bob] = [await place.enter('alice'), await place.enter('bob')];
  const session = await place.elapse(alice.sessions.with(bob.address));
  let taken = 0;
  place.broker.tamper(({ topic, payload }) => {
    taken += 1;
    void place.broker.publishRaw({ topic, payload, retained: true });
  });
  await place.elapse(say(session, 'kept'));
  await place.elapse(place.broker.see(6));
  assert.ok(taken >= 2, 'it was sent, and sent again');
  assert.deepEqual([bob.heard, bob.refused], [[], []]);
  place.broker.tamper();
  await place.elapse(say(session, 'next', 'delivered'));
  assert.deepEqual(bob.heard, ['kept', 'next']);
  // A handshake that is only ever retained is one that nobody answers.
  const carol = await place.enter('carol');
  place.broker.tamper(({ topic, payload }) => void place.broker.publishRaw({ topic, payload, retained: true }));
  assert.equal(await place.elapse(refusal(carol.sessions.with(bob.address))), 'peer-offline');
});

test('what is for another one’s inbox is taken by nobody, though it comes by', { timeout }, async () => {
  await using place = new Place();
  const [alice, bob] = [await place.enter('alice'), await place.enter('bob')];
  const carol = await peerOf('carol', place.clock);
  const there = inboxTopic({ to: carol.identity.id, lane: 'handshake', from: alice.address.id });
  place.broker.tamper(({ payload }) => {
    void bob.sessions.take({ topic: there, payload, retained: false });
  });
  assert.equal(await place.elapse(refusal(alice.sessions.with(bob.address))), 'peer-offline');
  assert.deepEqual([bob.begun, bob.refused], [[], []]);
});

test('a handshake that comes to nothing does not stand in the way of the next', { timeout }, async () => {
  await using place = new Place();
  const alice = await place.enter('alice');
  const bob = await place.enter('bob', { trusts: ['carol'] });
  const failed = [1, 2].map(() => refusal(alice.sessions.with(bob.address)));
  assert.deepEqual(await place.elapse(Promise.all(failed)), ['handshake-failed', 'handshake-failed']);
  assert.deepEqual(bob.refused, ['identity-unknown']);
  place.broker.tamper(() => {});
  assert.equal(await place.elapse(refusal(alice.sessions.with(bob.address))), 'peer-offline');
});

test('after leaving only the notary is talked to, after closing nobody', { timeout }, async () => {
  await using place = new Place();
  const [bob, notary] = [await place.enter('bob'), await place.enter('notary')];
  const logging = { notaryId: notary.address.id, peer: await peerOf('alice', place.clock) };
  const alice = await place.enter('alice', { logging });
  const [toBob, toNotary] = await place.elapse(
    Promise.all([alice.sessions.with(bob.address), alice.sessions.with(notary.address)]),
  );
  await place.elapse(alice.sessions.leave());
  assert.deepEqual([toBob.closing, toNotary.closing], [true, false]);
  assert.equal(await refusal(alice.sessions.with(bob.address)), 'session-closed');
  assert.equal(await alice.sessions.with(notary.address), toNotary);
  await place.elapse(alice.sessions.close());
  assert.equal(toNotary.closing, true);
  assert.equal(await refusal(alice.sessions.with(notary.address)), 'session-closed');
});

test('closing ends a handshake that is under way', { timeout }, async () => {
  await using place = new Place();
  const alice = await place.enter('alice');
  const bob = await peerOf('bob', place.clock);
  const opening = refusal(alice.sessions.with({ id: bob.identity.id, name: 'bob' }));
  await place.broker.see(1);
  await alice.sessions.close();
  assert.equal(await opening, 'session-closed');
  assert.equal(place.clock.pending, 0);
});

test('what was sent in a session that only this side has holds nothing up for long', { timeout }, async () => {
  await using place = new Place();
  const both = [await place.enter('alice'), await place.enter('bob')];
  const [low, high] = both.toSorted((a, b) => compareBytes(a.address.id, b.address.id)) as [Side, Side];
  const toLow = inboxTopic({ to: low.address.id, lane: 'handshake', from: high.address.id });
  const toHigh = inboxTopic({ to: high.address.id, lane: 'handshake', from: low.address.id });
  const withheld: (() => void)[] = [];
  let isHonest = false;
  place.broker.tamper((published, deliver) => {
    const isLast = published.payload.length < MESSAGE_4_BYTES_MAX;
    // The one that the higher id began and the lower id completed is never completed by the higher id.
    if (isLast && published.topic === toHigh) return;
    if (isLast && published.topic === toLow && !isHonest) withheld.push(() => deliver(published));
    else deliver(published);
  });
  const opening = Promise.all([low.sessions.with(high.address), high.sessions.with(low.address)]);
  opening.catch(() => {});
  await place.elapse(
    place.broker.see(1, ({ topic, payload }) => topic === toHigh && payload.length < MESSAGE_4_BYTES_MAX),
  );
  await place.elapse(until(() => low.begun.length === 1 && withheld.length > 0));
  const half = await low.sessions.with(high.address);
  assert.deepEqual(low.begun, [half]);
  const lost = refusal(say(half, 'into the void', 'delivered'));
  isHonest = true;
  for (const deliver of withheld) deliver();
  await place.elapse(opening.catch(() => {}));
  const before = place.clock.elapsed();
  const session = await place.elapse(low.sessions.with(high.address));
  await place.elapse(say(session, 'heard', 'delivered'));
  assert.ok(place.clock.elapsed() - before <= 12_000, `${place.clock.elapsed() - before} ms went by`);
  assert.deepEqual([await lost, high.heard], ['timeout', ['heard']]);
});

test('a peer that hung for a while goes on in its session, though another one was opened meanwhile', {
  timeout,
}, async () => {
  await using place = new Place();
  const [alice, bob] = [await place.enter('alice'), await place.enter('bob')];
  const session = await place.elapse(alice.sessions.with(bob.address));
  await place.elapse(say(session, 'before', 'delivered'));
  const hanging: (() => void)[] = [];
  // All that is for Bob waits, and comes in its order once he goes on.
  place.broker.tamper((published, deliver) => {
    if (parseInboxTopic(published.topic) && published.from === 'alice') hanging.push(() => deliver(published));
    else deliver(published);
  });
  await alice.sessions.with(bob.address);
  const said = Promise.all(['one', 'two'].map((text) => say(session, text, 'delivered')));
  await place.elapse(new Promise((resolve) => void place.clock.after(7_000, () => resolve(undefined))));
  place.broker.tamper();
  for (const deliver of hanging) deliver();
  await place.elapse(said);
  assert.deepEqual(bob.heard, ['before', 'one', 'two']);
  await place.elapse(until(() => alice.begun.length === 2));
  assert.equal(session.closing, false);
});
