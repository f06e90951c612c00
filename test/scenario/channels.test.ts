import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inboxTopic } from '../../src/core/inbox.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { RosterKeeper } from '../../src/roles/roster-keeper.ts';
import { isInbox, labelOf, overhear, overhearAll, Square } from '../support/bus.ts';
import { announce, channelOf, enterChannels, refusedIn, TestRoster } from '../support/channels.ts';
import { MemoryChannels } from '../support/memory-channels.ts';
import { numbered } from '../support/messages.ts';
import { MemoryRosters, nextVersion, versionsOf } from '../support/rosters.ts';
import { identityOf } from '../support/session-pair.ts';
import { until } from '../support/turns.ts';
import { refusal } from '../support/units.ts';

const timeout = 60_000;

test('one frame for all: each reader opens it, and the writer seals it once', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf()] });
  const [alice, bob, carol] = await Promise.all(
    ['alice', 'bob', 'carol'].map((name) => enterChannels(square, roster, name)),
  );
  assert.ok(alice && bob && carol);
  await square.elapse(announce(alice, 'plant/boiler/pressure', '2.1 bar'));
  const expected = ['alice plant/boiler/pressure: 2.1 bar'];
  assert.deepEqual(await square.elapse(overhear(bob, 1)), expected);
  assert.deepEqual(await square.elapse(overhear(carol, 1)), expected);
  const frames = square.broker.seen.filter(({ topic }) => topic === 'plant/boiler/pressure');
  assert.equal(frames.length, 1);
  assert.ok(!Buffer.from(frames[0]?.payload ?? []).includes('2.1 bar'));
  const rest = numbered(50);
  for (const text of rest) await square.elapse(announce(alice, 'plant/boiler/load', text));
  for (const reader of [bob, carol]) {
    assert.deepEqual(
      await square.elapse(overhear(reader, 50)),
      rest.map((text) => `alice plant/boiler/load: ${text}`),
    );
  }
  assert.deepEqual([refusedIn(bob), refusedIn(carol)], [[], []]);
});

test('a reader restarts and goes on without a handshake', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ readers: ['bob'] })] });
  const store = new MemoryChannels();
  const alice = await enterChannels(square, roster, 'alice');
  const bob = await enterChannels(square, roster, 'bob', { store });
  await square.elapse(announce(alice, 'plant/load', 'before'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: before']);
  await square.elapse(bob.bus.close());
  const handshakes = square.broker.seen.filter((unit) => isInbox(unit, 'handshake')).length;
  const again = await enterChannels(square, roster, 'bob', { store }, 'bob again');
  await square.elapse(announce(alice, 'plant/load', 'after'));
  assert.deepEqual(await square.elapse(overhear(again, 1)), ['alice plant/load: after']);
  assert.equal(square.broker.seen.filter((unit) => isInbox(unit, 'handshake')).length, handshakes);
});

test('a full disk at a reader is told, stops nothing, and what it missed is written down with the next frame', {
  timeout,
}, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf()] });
  const store = new FullChannels();
  const alice = await enterChannels(square, roster, 'alice');
  const bob = await enterChannels(square, roster, 'bob', { store });
  await square.elapse(announce(alice, 'plant/load', 'first'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: first']);
  await square.wait(1_000);
  store.isFull = true;
  await square.elapse(announce(alice, 'plant/load', 'second'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: second']);
  await square.elapse(until(() => bob.channelEvents.some(({ type }) => type === 'not-stored')));
  store.isFull = false;
  const { length: before } = store.puts;
  await square.elapse(announce(alice, 'plant/load', 'third'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: third']);
  await square.elapse(until(() => store.puts.length > before));
});

class FullChannels extends MemoryChannels {
  isFull = false;
  readonly puts: number[] = [];

  override put(states: Parameters<MemoryChannels['put']>[0]): void {
    if (this.isFull) throw new Error('database or disk is full');
    super.put(states);
    this.puts.push(states.length);
  }
}

test('a reader that the roster adds reads from then on, and nothing from before', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ readers: ['bob'] })] });
  const alice = await enterChannels(square, roster, 'alice');
  const bob = await enterChannels(square, roster, 'bob');
  const carol = await enterChannels(square, roster, 'carol');
  await square.elapse(announce(alice, 'plant/load', 'for bob'));
  await square.elapse(overhear(bob, 1));
  await roster.change({ channels: [channelOf()] });
  await square.elapse(announce(alice, 'plant/load', 'for both'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: for both']);
  const old = square.broker.seen.find((unit) => labelOf(unit)?.seq === 0 && unit.topic === 'plant/load');
  assert.ok(old);
  await square.broker.replay(old);
  await square.elapse(announce(alice, 'plant/load', 'next'));
  assert.deepEqual(
    await square.elapse(overhear(carol, 2)),
    ['for both', 'next'].map((text) => `alice plant/load: ${text}`),
  );
});

test('a reader is removed: what follows is sealed with keys that it never gets', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf()] });
  const [alice, bob, carol] = await Promise.all(
    ['alice', 'bob', 'carol'].map((name) => enterChannels(square, roster, name)),
  );
  assert.ok(alice && bob && carol);
  await square.elapse(announce(alice, 'plant/load', 'for both'));
  for (const reader of [bob, carol]) await square.elapse(overhear(reader, 1));
  await roster.change({ channels: [channelOf({ readers: ['bob'] })] });
  await square.elapse(announce(alice, 'plant/load', 'for bob'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: for bob']);
  const ratchets = new Set(
    square.broker.seen.flatMap((unit) =>
      unit.topic === 'plant/load' ? [Buffer.from(labelOf(unit)?.ratchetId ?? []).toString('hex')] : [],
    ),
  );
  assert.equal(ratchets.size, 2);
});

test('who is no writer cannot publish; a topic of no channel is nobody’s', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf()] });
  const [alice, bob] = [await enterChannels(square, roster, 'alice'), await enterChannels(square, roster, 'bob')];
  assert.equal(await refusal(announce(bob, 'plant/load', 'mine')), 'not-allowed');
  assert.equal(await refusal(announce(alice, 'office/door', 'open')), 'channel-unknown');
  roster.current = null;
  assert.equal(await refusal(announce(alice, 'plant/load', 'lost')), 'roster-missing');
});

test('all who have to confirm: a lost frame is sent again to whom it was lost', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ confirmers: 'all' })] });
  const [alice, bob, carol] = await Promise.all(
    ['alice', 'bob', 'carol'].map((name) => enterChannels(square, roster, name)),
  );
  assert.ok(alice && bob && carol);
  await square.elapse(announce(alice, 'plant/load', 'first', { until: 'delivered' }));
  let dropped = 0;
  square.broker.tamper((published, deliver) => {
    if (published.topic === 'plant/load' && dropped++ === 0) return;
    deliver(published);
  });
  await square.elapse(
    Promise.all(['second', 'third'].map((text) => announce(alice, 'plant/load', text, { until: 'delivered' }))),
  );
  for (const reader of [bob, carol]) {
    assert.deepEqual(
      await square.elapse(overhear(reader, 3)),
      ['first', 'second', 'third'].map((text) => `alice plant/load: ${text}`),
    );
  }
  assert.ok(alice.channelEvents.some(({ type }) => type === 'repaired'));
});

test('members hand the roster to each other, where the broker keeps it to itself', { timeout }, async () => {
  await using square = new Square();
  const alice = await identityOf('alice');
  const members = await Promise.all(
    ['alice', 'bob'].map(async (name) => ({ type: 'pin' as const, name, id: (await identityOf(name)).id })),
  );
  const versions = await versionsOf(alice, [
    { members, channels: [channelOf({ readers: ['bob'], filters: ['office/#'] })] },
    { channels: [channelOf({ readers: ['bob'] })] },
    {},
  ]);
  const keeperWith = async (count: number): Promise<RosterKeeper> => {
    const store = new MemoryRosters();
    const about = { crypto: nodeCrypto, verifierOf: nodeVerifier, authorityId: alice.id, name: 'works' };
    const keeper = await RosterKeeper.open({ ...about, store });
    for (const { bytes } of versions.slice(0, count)) await keeper.offer(bytes);
    return keeper;
  };
  const [ours, theirs] = [await keeperWith(3), await keeperWith(1)];
  const writer = await enterChannels(square, ours, 'alice', { rosters: ours });
  const reader = await enterChannels(square, theirs, 'bob', { rosters: theirs });
  // The channel that the reader knows has no such topic: it learns of the other one from the writer itself.
  await square.elapse(writer.bus.session({ id: reader.identity.id, name: null }));
  await square.elapse(until(() => theirs.current?.version === 3));
  await square.elapse(announce(writer, 'plant/load', 'new'));
  assert.deepEqual(await square.elapse(overhear(reader, 1)), ['alice plant/load: new']);
  // In the session that is there, too.
  const newest = versions.at(-1);
  assert.ok(newest);
  await ours.offer((await nextVersion(alice, newest)).bytes);
  await square.elapse(until(() => theirs.current?.version === 4));
});

test('N22: a reader is removed while a message for it is being sealed: it is sealed anew, and opens for the others only', {
  timeout,
}, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ confirmers: 'all' })] });
  const held: PromiseWithResolvers<void>[] = [];
  let isHeld = false;
  const alice = await enterChannels(square, roster, 'alice', {
    signer: (own) => ({
      publicKey: own.publicKey,
      sign: async (toBeSigned) => {
        if (isHeld) {
          const turn = Promise.withResolvers<void>();
          held.push(turn);
          await turn.promise;
        }
        return own.sign(toBeSigned);
      },
    }),
  });
  const [bob, carol] = [await enterChannels(square, roster, 'bob'), await enterChannels(square, roster, 'carol')];
  await square.elapse(announce(alice, 'plant/load', 'for both', { until: 'delivered' }));
  isHeld = true;
  const sent = announce(alice, 'plant/load', 'for bob', { until: 'delivered' });
  await square.elapse(until(() => held.length > 0));
  await roster.change({ channels: [channelOf({ readers: ['bob'], confirmers: 'all' })] });
  isHeld = false;
  for (const { resolve } of held) resolve();
  await square.elapse(sent);
  assert.deepEqual(
    await square.elapse(overhear(bob, 2)),
    ['for both', 'for bob'].map((text) => `alice plant/load: ${text}`),
  );
  const frames = square.broker.seen.filter(({ topic }) => topic === 'plant/load').map((unit) => labelOf(unit));
  assert.deepEqual(
    frames.map((label) => label?.seq),
    [0, 0],
  );
  assert.notDeepEqual(frames[0]?.ratchetId, frames[1]?.ratchetId);
  await square.elapse(carol.bus.close());
  assert.deepEqual(await overhearAll(carol), ['alice plant/load: for both']);
});

test('a frame that comes to the inbox before its keys is opened once they are here', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ readers: ['bob'] })] });
  const alice = await enterChannels(square, roster, 'alice');
  await square.elapse(announce(alice, 'plant/load', 'before bob came'));
  const frame = square.broker.seen.find(({ topic }) => topic === 'plant/load');
  assert.ok(frame);
  const bob = await enterChannels(square, roster, 'bob');
  const topic = inboxTopic({ to: bob.identity.id, lane: 'frames', from: alice.identity.id });
  await square.broker.publishRaw({ topic, payload: frame.payload });
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: before bob came']);
  assert.deepEqual(refusedIn(bob), []);
});
