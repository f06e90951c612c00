import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Square } from '../support/bus.ts';
import { chance } from '../support/chance.ts';
import { announce, channelOf, enterChannels, refusedIn, TestRoster } from '../support/channels.ts';
import { turn } from '../support/turns.ts';

const timeout = 60_000;
const TOPICS = ['plant/a', 'plant/b', 'plant/c'];

/** Repeatable choices below `bound`. */
function chooser(seed: number): (bound: number) => number {
  const random = chance(seed);
  return (bound) => Math.floor(random() * bound);
}

/** What somebody who comes now is given of each topic, from what the broker kept. */
async function keptFor(square: Square, roster: TestRoster): Promise<Record<string, string>> {
  const carol = await enterChannels(square, roster, 'carol');
  const kept: Record<string, string> = {};
  const reading = (async () => {
    for await (const { topic, payload } of carol.bus) if (topic) kept[topic] = new TextDecoder().decode(payload);
  })();
  await square.wait(60_000);
  assert.deepEqual(refusedIn(carol), []);
  await square.elapse(carol.bus.close());
  await square.elapse(reading);
  return kept;
}

for (let seed = 1; seed <= 24; seed++) {
  test(`whatever is retained, rotated and withdrawn between: a newcomer gets each topic’s newest (seed ${seed})`, {
    timeout,
  }, async () => {
    await using square = new Square();
    const choose = chooser(seed);
    const channels = [channelOf({ rotateAfterFrames: 3 + choose(6), batchMax: 1 })];
    const roster = await TestRoster.of({ channels });
    const alice = await enterChannels(square, roster, 'alice');
    await enterChannels(square, roster, 'bob');
    const newest: Record<string, string> = {};
    const publishing: Promise<unknown>[] = [];
    const publish = (topic: string, text: string): void => {
      publishing.push(announce(alice, topic, text, { retain: true }));
      newest[topic] = text;
    };
    for (const topic of TOPICS) publish(topic, 'first');
    if (choose(2) === 0) await square.elapse(Promise.all(publishing.splice(0)));
    for (let step = 0; step < 2 + choose(8); step++) {
      if (choose(4) === 0) publishing.push(announce(alice, 'plant/news', `step ${step}`));
      else publish(TOPICS[choose(TOPICS.length)] ?? '', `step ${step}`);
      for (let turns = choose(4); turns > 0; turns--) await turn();
      // Bob goes and comes: what he could open and has not left is sealed anew.
      if (choose(3) === 0) {
        for (const readers of [['carol'], ['bob', 'carol']]) {
          await roster.change({ channels: channels.map((channel) => ({ ...channel, readers })) });
        }
      }
    }
    await square.elapse(Promise.all(publishing));
    await square.wait(1_000);
    assert.deepEqual(await keptFor(square, roster), newest);
  });
}

test('a ratchet that does not last for all that is retained: it is published once more, and not for ever', {
  timeout,
}, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ rotateAfterFrames: 2 })] });
  const alice = await enterChannels(square, roster, 'alice');
  for (let round = 0; round < 3; round++) {
    for (const topic of TOPICS) await square.elapse(announce(alice, topic, `round ${round}`, { retain: true }));
  }
  await square.wait(10_000);
  const frames = (): number => square.broker.seen.filter(({ topic }) => topic.startsWith('plant/')).length;
  const before = frames();
  await square.wait(10_000);
  assert.equal(frames(), before);
  await square.elapse(announce(alice, 'plant/a', 'last', { retain: true }));
  const kept = await keptFor(square, roster);
  assert.equal(kept['plant/a'], 'last');
});
