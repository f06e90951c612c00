import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryChannels } from '../../src/roles/memory-channels.ts';
import { isInbox, labelOf, overhear, Square } from '../support/bus.ts';
import { announce, channelOf, enterChannels, refusedIn, TestRoster } from '../support/channels.ts';
import { numbered } from '../support/messages.ts';
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
