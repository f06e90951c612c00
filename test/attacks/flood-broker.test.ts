import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createIdentity } from '../../src/apps/create-identity.ts';
import { openPeer } from '../../src/apps/open-peer.ts';
import { createRoster, takeRoster } from '../../src/apps/roster/roster-authority.ts';
import { utf8ToBytes } from '../../src/core/bytes.ts';
import { parseId } from '../../src/core/identity/id.ts';
import { inboxTopic } from '../../src/core/inbox.ts';
import { FRAME_BYTES_MAX } from '../../src/core/limits.ts';
import type { Publication } from '../../src/core/ports.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { useAedes } from '../support/brokers.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { startTarget } from '../support/flood.ts';
import { flipped } from '../support/forged-frame.ts';
import { forged1 } from '../support/inbox-attacks.ts';
import { lineTo } from '../support/mqtt.ts';

const MIB = 1024 * 1024;
const THROWN_BYTES = 64 * MIB;
const LIVE_GROWTH_BYTES_MAX = 48 * MIB;
const RSS_GROWTH_BYTES_MAX = 192 * MIB;
const TOPIC = 'plant/temperature';

test('N19 N25: 64 MiB thrown at an inbox and at a channel’s topic leave memory flat; honest writers are read', {
  timeout: 240_000,
}, async (context) => {
  const folder = await temporaryDirectory(context);
  const homeOf = (name: string): string => join(folder, name);
  const ids: Record<string, string> = {};
  for (const name of ['authority', 'alice', 'bob']) ids[name] = await createIdentity({ home: homeOf(name), name });
  const { authority = '', alice = '', bob = '' } = ids;
  const roster = await createRoster({ home: homeOf('authority'), name: 'plant' });
  const channel = { filters: ['plant/#'], writers: ['alice'], readers: ['bob'], confirmers: 'all' } as const;
  await roster.change({ add: { alice, bob }, channels: { measurements: channel } });
  const file = await roster.file();
  for (const name of ['alice', 'bob']) await takeRoster({ home: homeOf(name), authority, file });

  const { url } = await useAedes(context);
  await using target = await startTarget(homeOf('bob'), url);
  await using writer = await openPeer({ home: homeOf('alice') });
  await using bus = await writer.join(url);
  const { line } = await lineTo(context, url);
  const seen: Publication[] = [];
  await line.subscribe('plant/#', 0, (publication) => void (seen.length < 4 && seen.push(publication)));
  const tell = (text: string): Promise<unknown> => bus.publish(TOPIC, utf8ToBytes(text), { until: 'delivered' });
  for (let i = 0; i < 10; i++) await tell(`before ${i}`);
  const genuine = seen[0]?.payload ?? new Uint8Array(0);
  const before = await target.report();

  const [to, from] = [parseId(bob), parseId(alice)];
  const [handshakes, frames] = [inboxTopic({ to, lane: 'handshake', from }), inboxTopic({ to, lane: 'frames', from })];
  const garbage = nodeCrypto.random(FRAME_BYTES_MAX - 64);
  const floods: readonly [what: string, topic: string, payload: (n: number) => Uint8Array][] = [
    ['handshakes that are none', handshakes, () => garbage.subarray(0, 16 * 1024)],
    ['begun handshakes in a member’s name', handshakes, () => forged1()],
    ['frames that are none, in the inbox', frames, () => garbage],
    ['frames that are none, on the channel’s topic', TOPIC, () => garbage],
    ['genuine frames, altered and again', TOPIC, (n) => (n % 2 === 0 ? genuine : flipped(genuine, n % genuine.length))],
  ];
  for (const [what, topic, payload] of floods) {
    await context.test(what, async () => {
      const size = payload(0).length;
      // Small ones are many enough without: it is their number that costs.
      const count = Math.min(THROWN_BYTES / size, 8192);
      for (let n = 0; n < count; n++) {
        await line.publish(topic, payload(n), { qos: 1 });
        if (n % Math.ceil(count / 4) === 0) await tell(`${what} ${n}`);
      }
      await tell(`after ${what}`);
      const { peak } = await target.report();
      const grown = peak.liveBytes - before.peak.liveBytes;
      assert.ok(grown < LIVE_GROWTH_BYTES_MAX, `${grown} bytes more are alive`);
      const rssGrown = peak.rssBytes - before.peak.rssBytes;
      assert.ok(rssGrown < RSS_GROWTH_BYTES_MAX, `the process grew by ${rssGrown} bytes`);
    });
  }
  const { refused } = await target.report();
  for (const code of ['malformed', 'replayed', 'overloaded'])
    assert.ok(refused[code], `${code} in ${JSON.stringify(refused)}`);
});
