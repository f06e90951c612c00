import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalBytes } from '../../src/core/bytes.ts';
import { parseInboxTopic } from '../../src/core/inbox.ts';
import { overhear, Square } from '../support/bus.ts';
import { announce, type ChannelVisitor, channelOf, enterChannels, refusedIn, TestRoster } from '../support/channels.ts';
import { until } from '../support/turns.ts';

const timeout = 60_000;
const HOUR_MS = 3_600_000;

/** What was reported missing. */
function gapsIn({ channelEvents }: ChannelVisitor): unknown[] {
  return channelEvents.flatMap((event) => (event.type === 'gap' ? [event.gap] : []));
}

/** Neither hears what the other one has to say to it alone. */
function part(square: Square, ...pair: readonly ChannelVisitor[]): void {
  const ids = pair.map(({ identity }) => identity.id);
  const isOfPair = (id: Uint8Array): boolean => ids.some((own) => equalBytes(own, id));
  square.broker.tamper((published, deliver) => {
    const address = parseInboxTopic(published.topic);
    if (!address || !isOfPair(address.to) || !isOfPair(address.from)) deliver(published);
  });
}

/** Nothing comes from it, and nothing reaches it. */
function suspend(square: Square, name: string, { identity }: ChannelVisitor): void {
  square.broker.tamper((published, deliver) => {
    const address = parseInboxTopic(published.topic);
    if (published.from !== name && !(address && equalBytes(address.to, identity.id))) deliver(published);
  });
}

for (const [first, asks] of [
  ['it writes', false],
  ['the reader asks', true],
] as const) {
  test(`a writer sleeps for a day and owes a reader keys; then ${first} first: the reader is told of a gap, and all goes on`, {
    timeout,
  }, async () => {
    await using square = new Square();
    const roster = await TestRoster.of({ channels: [channelOf({ rotateAfterMs: HOUR_MS })] });
    const alice = await enterChannels(square, roster, 'alice');
    const [bob, carol] = [await enterChannels(square, roster, 'bob'), await enterChannels(square, roster, 'carol')];
    const heardBy = async (reader: ChannelVisitor, text: string): Promise<void> =>
      assert.deepEqual(await square.elapse(overhear(reader, 1)), [`alice plant/load: ${text}`]);
    await square.elapse(announce(alice, 'plant/load', 'morning'));
    await Promise.all([heardBy(bob, 'morning'), heardBy(carol, 'morning')]);
    await square.wait(5_000);

    // The keys of the second ratchet reach Carol alone.
    part(square, alice, bob);
    square.clock.advance(2 * HOUR_MS);
    await square.elapse(announce(alice, 'plant/load', 'noon'));
    await heardBy(carol, 'noon');
    await square.wait(5_000);
    suspend(square, 'alice', alice);
    square.clock.advance(25 * HOUR_MS);
    await square.wait(60_000);
    square.broker.tamper();

    const [, noon] = square.broker.seen.filter(({ topic }) => topic === 'plant/load');
    assert.ok(noon);
    if (asks) {
      // What Bob holds he asks for when it comes once more; what is owed no longer he does not get.
      await square.broker.replay(noon);
      await square.elapse(until(() => refusedIn(bob).length === 1));
      assert.deepEqual(refusedIn(bob), ['replayed']);
    }
    await square.elapse(announce(alice, 'plant/load', 'evening'));
    await Promise.all([heardBy(bob, 'evening'), heardBy(carol, 'evening')]);
    assert.deepEqual([gapsIn(bob), gapsIn(carol)], [[{ first: 1, last: 1 }], []]);
    assert.equal(alice.channelEvents.filter(({ type }) => type === 'rotated').length, 3);
    await square.elapse(announce(alice, 'plant/load', 'night'));
    await Promise.all([heardBy(bob, 'night'), heardBy(carol, 'night')]);
  });
}
