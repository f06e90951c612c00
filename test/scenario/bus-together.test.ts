import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex } from '../../src/core/bytes.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { Published } from '../../src/roles/memory-broker.ts';
import { isInbox, labelOf, overhear, Square, tell, tellAll, type Visitor } from '../support/bus.ts';
import { numbered } from '../support/messages.ts';

const timeout = 60_000;

/** Alice and Bob, both subscribed to what the other one publishes. */
async function two(square: Square): Promise<{ readonly alice: Visitor; readonly bob: Visitor }> {
  const [alice, bob] = [await square.enter('alice'), await square.enter('bob')];
  await Promise.all([alice.bus.subscribe('to/alice'), bob.bus.subscribe('to/bob')]);
  return { alice, bob };
}

/** Ratchets of one sender's messages, in the order of their first frame. */
function ratchetsOf(seen: readonly Published[], client: string): string[] {
  const labels = seen.filter(({ from }) => from === client).flatMap((published) => labelOf(published) ?? []);
  return [...new Set(labels.filter(({ kind }) => kind === KIND.message).map(({ ratchetId }) => bytesToHex(ratchetId)))];
}

test('what waited for its session is not overtaken by what finds it there, at whatever step', { timeout }, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  const texts = numbered(60);
  const heard = square.elapse(overhear(bob, texts.length));
  const tellNext = (text: string): Promise<unknown> => tell(alice, 'bob', 'to/bob', text);
  const telling = texts.slice(0, 20).map(tellNext);
  const tellRest = async (): Promise<void> => {
    await alice.bus.session({ id: bob.identity.id, name: 'bob' });
    for (const text of texts.slice(20)) {
      telling.push(tellNext(text));
      await Promise.resolve();
    }
  };
  await square.elapse(tellRest());
  await square.elapse(Promise.all(telling));
  assert.deepEqual(
    await heard,
    texts.map((text) => `alice to/bob: ${text}`),
  );
});

test('both begin at once: each message is delivered once, in order, and both go on in the same session', {
  timeout,
}, async () => {
  await using square = new Square();
  const { alice, bob } = await two(square);
  const heard = square.elapse(Promise.all([overhear(alice, 40), overhear(bob, 40)]));
  const texts = numbered(20);
  await square.elapse(Promise.all([tellAll(alice, 'bob', 'to/bob', texts), tellAll(bob, 'alice', 'to/alice', texts)]));
  assert.equal(square.broker.seen.filter((published) => isInbox(published, 'handshake')).length, 8, 'two handshakes');
  const later = numbered(20, 'later');
  const before = square.broker.seen.length;
  await square.elapse(Promise.all([tellAll(alice, 'bob', 'to/bob', later), tellAll(bob, 'alice', 'to/alice', later)]));
  const [byAlice, byBob] = await heard;
  assert.deepEqual(
    byAlice,
    [...texts, ...later].map((text) => `bob to/alice: ${text}`),
  );
  assert.deepEqual(
    byBob,
    [...texts, ...later].map((text) => `alice to/bob: ${text}`),
  );

  const current = bob.bus.session({ id: alice.identity.id, name: 'alice' });
  assert.deepEqual((await current).id, (await alice.bus.session({ id: bob.identity.id, name: 'bob' })).id);
  const since = square.broker.seen.slice(before);
  assert.deepEqual([ratchetsOf(since, 'alice').length, ratchetsOf(since, 'bob').length], [1, 1]);

  // The other one is ended in order, once nobody has used it for half a minute; nobody begins a new one.
  await square.wait(40_000);
  const ends = square.broker.seen.filter((published) => labelOf(published)?.kind === KIND.end);
  assert.deepEqual(ends.map(({ from }) => from).toSorted(), ['alice', 'bob']);
  await square.elapse(tell(alice, 'bob', 'to/bob', 'the end', { until: 'delivered' }));
  await square.elapse(tell(bob, 'alice', 'to/alice', 'the end', { until: 'delivered' }));
  assert.equal(square.broker.seen.filter((published) => isInbox(published, 'handshake')).length, 8);
  assert.deepEqual([alice.lost, bob.lost, alice.refused, bob.refused], [[], [], [], []]);
});

test('both begin at once, and either handshake may take longer: both sides choose the same session', {
  timeout,
}, async () => {
  for (const delayed of ['alice', 'bob']) {
    await using square = new Square();
    const { alice, bob } = await two(square);
    square.broker.tamper((published, deliver) => {
      if (published.from !== delayed || !isInbox(published, 'handshake')) deliver(published);
      else square.clock.after(150, () => deliver(published));
    });
    await square.elapse(Promise.all([tell(alice, 'bob', 'to/bob', 'x'), tell(bob, 'alice', 'to/alice', 'y')]));
    assert.deepEqual(await square.elapse(Promise.all([overhear(alice, 1), overhear(bob, 1)])), [
      ['bob to/alice: y'],
      ['alice to/bob: x'],
    ]);
    await square.wait(1000);
    const [here, there] = [
      await alice.bus.session({ id: bob.identity.id, name: 'bob' }),
      await bob.bus.session({ id: alice.identity.id, name: 'alice' }),
    ];
    assert.deepEqual(here.id, there.id);
  }
});

test('both begin at once, again and again, through a line that drops and doubles: two sessions are enough', {
  timeout,
}, async () => {
  await using square = new Square();
  let count = 0;
  const meddle = (): void =>
    square.broker.tamper((published, deliver) => {
      count += 1;
      if (count % 5 === 0) return;
      deliver(published);
      if (count % 7 === 0) deliver(published);
    });
  const { alice, bob } = await two(square);
  meddle();
  const ratchets = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const texts = numbered(5, `round ${round}, message`);
    const said = [tellAll(alice, 'bob', 'to/bob', texts), tellAll(bob, 'alice', 'to/alice', texts)];
    const heard = Promise.all([overhear(alice, 5), overhear(bob, 5)]);
    await square.elapse(Promise.all(said));
    assert.deepEqual(await square.elapse(heard), [
      texts.map((text) => `bob to/alice: ${text}`),
      texts.map((text) => `alice to/bob: ${text}`),
    ]);
    for (const name of ['alice', 'bob']) for (const one of ratchetsOf(square.broker.seen, name)) ratchets.add(one);
  }
  assert.ok(ratchets.size <= 4, `${ratchets.size} ratchets`);
  square.broker.tamper();
});

test('a peer that begins anew all the time has four sessions at most: the oldest is ended for the newest', {
  timeout,
}, async () => {
  await using square = new Square();
  const alice = await square.enter('alice');
  await alice.bus.subscribe('to/alice');
  const ends = (): string[] =>
    square.broker.seen
      .filter(({ from }) => from === 'alice')
      .flatMap((published) => labelOf(published) ?? [])
      .filter(({ kind }) => kind === KIND.end)
      .map(({ ratchetId }) => bytesToHex(ratchetId));
  for (let life = 0; life < 7; life++) {
    const bob = await square.enter('bob', {}, `bob ${life}`);
    await square.elapse(tell(bob, 'alice', 'to/alice', `life ${life}`, { until: 'delivered' }));
    await bob.vanish();
    assert.equal(new Set(ends()).size, Math.max(0, life - 3));
  }
  assert.ok(square.nowMs < 20_000, 'none was ended for being idle');
  assert.deepEqual(
    await overhear(alice, 7),
    numbered(7, 'life').map((text) => `bob to/alice: ${text}`),
  );
});
