import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SignedRoster } from '../../src/core/roster/roster.ts';
import { rosterTopic } from '../../src/core/roster/roster-topic.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { followRoster } from '../../src/roles/bus/roster-feed.ts';
import { RosterKeeper } from '../../src/roles/roster-keeper.ts';
import { overhear, Square } from '../support/bus.ts';
import { announce, channelOf, enterChannels, refusedIn } from '../support/channels.ts';
import { MemoryRosters, nextVersion } from '../support/rosters.ts';
import { identityOf } from '../support/session-pair.ts';
import { turn, until } from '../support/turns.ts';
import { refusal } from '../support/units.ts';

const timeout = 60_000;

async function firstVersion(): Promise<SignedRoster> {
  const members = await Promise.all(
    ['alice', 'bob'].map(async (name) => ({ type: 'pin' as const, name, id: (await identityOf(name)).id })),
  );
  return nextVersion(await identityOf('alice'), null, { members, channels: [channelOf({ readers: ['bob'] })] });
}

async function keeperAt(square: Square, refused: string[]): Promise<RosterKeeper> {
  const { id } = await identityOf('alice');
  const about = { crypto: nodeCrypto, verifierOf: nodeVerifier, authorityId: id, name: 'works' };
  const keeper = await RosterKeeper.open({ ...about, store: new MemoryRosters() });
  await followRoster(square.broker.connect(), keeper, { turn }, ({ code }) => void refused.push(code));
  return keeper;
}

function show(square: Square, { version, bytes }: SignedRoster, retained = true): Promise<void> {
  return square.broker.publishRaw({ topic: rosterTopic('works', version), payload: bytes, retained });
}

test('N23: two rosters of one version: whoever sees both stops, and nothing is written or read under either', {
  timeout,
}, async () => {
  await using square = new Square();
  const authority = await identityOf('alice');
  const refused: string[] = [];
  const [alices, bobs] = [await keeperAt(square, refused), await keeperAt(square, refused)];
  const first = await firstVersion();
  const one = await nextVersion(authority, first);
  const other = await nextVersion(authority, first, { expiresAtS: 2_000_000_000 });
  await show(square, first);
  await show(square, one);
  await until(() => alices.current?.version === 2 && bobs.current?.version === 2);
  const alice = await enterChannels(square, alices, 'alice');
  const bob = await enterChannels(square, bobs, 'bob');
  await square.elapse(announce(alice, 'plant/load', 'before'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: before']);
  await show(square, other);
  await until(() => refused.length === 2);
  assert.deepEqual([refused, alices.current?.hash], [['roster-forked', 'roster-forked'], one.hash]);
  assert.equal(await refusal(announce(alice, 'plant/load', 'after')), 'roster-forked');
  const seen = square.broker.seen.find(({ topic }) => topic === 'plant/load');
  assert.ok(seen);
  await square.broker.replay(seen);
  await square.elapse(until(() => refusedIn(bob).length > 0));
  assert.deepEqual(refusedIn(bob), ['roster-forked']);
});

test('N23: an old roster, kept by the broker and shown again, takes nobody back', { timeout }, async () => {
  await using square = new Square();
  const authority = await identityOf('alice');
  const refused: string[] = [];
  const keeper = await keeperAt(square, refused);
  const first = await firstVersion();
  const second = await nextVersion(authority, first, { channels: [] });
  await show(square, first);
  await show(square, second);
  await until(() => keeper.current?.version === 2);
  await show(square, first);
  await show(square, { ...first, version: 3 });
  // Somebody else's word for the next version is nobody's.
  await show(square, await nextVersion(await identityOf('carol'), second));
  await until(() => refused.length === 1);
  assert.deepEqual([refused, keeper.current?.version, keeper.failure], [['roster-invalid'], 2, null]);
  await show(square, await nextVersion(authority, second));
  await until(() => keeper.current?.version === 3);
});
