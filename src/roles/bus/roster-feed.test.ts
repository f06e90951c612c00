import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRosters, nextVersion, versionsOf } from '../../../test/support/rosters.ts';
import { identityOf } from '../../../test/support/session-pair.ts';
import { turn, until } from '../../../test/support/turns.ts';
import { refusal } from '../../../test/support/units.ts';
import { SealwireError } from '../../core/errors.ts';
import { ROSTER_BYTES_MAX } from '../../core/limits.ts';
import type { BrokerConnection } from '../../core/ports.ts';
import type { SignedRoster } from '../../core/roster/roster.ts';
import { rosterTopic } from '../../core/roster/roster-topic.ts';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import { memoryBroker } from '../memory-broker.ts';
import { RosterKeeper } from '../roster-keeper.ts';
import { followRoster, publishRoster } from './roster-feed.ts';

const timeout = 30_000;
const retained = { qos: 1, retain: true } as const;

async function keeperOf(versions: readonly SignedRoster[] = [], store = new MemoryRosters()): Promise<RosterKeeper> {
  const { id } = await identityOf('alice');
  const about = { crypto: nodeCrypto, verifierOf: nodeVerifier, store, authorityId: id, name: 'works' };
  const keeper = await RosterKeeper.open(about);
  for (const { bytes } of versions) await keeper.offer(bytes);
  return keeper;
}

async function versions(count: number): Promise<SignedRoster[]> {
  return versionsOf(
    await identityOf('alice'),
    Array.from({ length: count }, () => ({})),
  );
}

/** Somebody follows; `refused` says what was turned away, and where. */
async function following(broker: BrokerConnection, keeper: RosterKeeper) {
  const refused: string[] = [];
  const tell = (error: SealwireError, topic: string): void => void refused.push(`${error.code} at ${topic}`);
  return { refused, subscription: await followRoster(broker, keeper, { turn }, tell) };
}

test('who comes later gets every version, in whatever order the broker has them', { timeout }, async () => {
  const all = await versions(5);
  const broker = memoryBroker();
  const line = broker.connect();
  for (const { version, bytes } of all.toReversed()) await line.publish(rosterTopic('works', version), bytes, retained);
  const keeper = await keeperOf();
  const { refused } = await following(broker.connect(), keeper);
  // Nobody is written to by an older one than the broker has.
  assert.equal(keeper.current?.version, 5);
  assert.deepEqual(refused, []);
});

test('what one publishes another follows, and a version that comes later too', { timeout }, async () => {
  const all = await versions(3);
  const [first, second, third] = all;
  assert.ok(first && second && third);
  const broker = memoryBroker();
  const authority = await keeperOf([first, second]);
  await publishRoster(broker.connect(), authority);
  const keeper = await keeperOf();
  const { refused } = await following(broker.connect(), keeper);
  await until(() => keeper.current?.version === 2);
  await authority.offer(third.bytes);
  await publishRoster(broker.connect(), authority);
  await until(() => keeper.current?.version === 3);
  assert.deepEqual(refused, []);
});

test('an empty roster publishes nothing', { timeout }, async () => {
  const seen: string[] = [];
  const broker = memoryBroker({ intercept: ({ topic }) => void seen.push(topic) });
  await publishRoster(broker.connect(), await keeperOf());
  assert.deepEqual(seen, []);
  await publishRoster(broker.connect(), await keeperOf(await versions(2)));
  assert.deepEqual(seen, ['sealwire/1/roster/works/1', 'sealwire/1/roster/works/2']);
});

test('what anyone may publish changes nothing, and keeps nothing genuine away', { timeout }, async () => {
  const [first, second] = await versions(2);
  assert.ok(first && second);
  const broker = memoryBroker();
  const keeper = await keeperOf([first]);
  const { refused } = await following(broker.connect(), keeper);
  const stranger = broker.connect();
  const topic = rosterTopic('works', 2);
  const bobs = await nextVersion(await identityOf('bob'), first);
  const lastByte = second.bytes.with(second.bytes.length - 1, (second.bytes.at(-1) ?? 0) ^ 1);
  const units = [bobs.bytes, lastByte, new Uint8Array(ROSTER_BYTES_MAX + 1), Uint8Array.of(1, 2)];
  for (const unit of units) await stranger.publish(topic, unit, retained);
  await until(() => refused.length === 4);
  assert.deepEqual(
    refused,
    ['roster-invalid', 'signature-invalid', 'too-large', 'malformed'].map((code) => `${code} at ${topic}`),
  );
  // Nothing on it, and not about this roster: no word about these.
  await stranger.publish(topic, new Uint8Array(0), retained);
  await stranger.publish('sealwire/1/roster/works/two', second.bytes, retained);
  assert.deepEqual([keeper.current?.version, keeper.failure], [1, null]);
  await stranger.publish(topic, second.bytes, retained);
  await until(() => keeper.current?.version === 2);
  assert.equal(refused.length, 4);
});

test('an old version under the newest topic is no step back', { timeout }, async () => {
  const all = await versions(3);
  const [first] = all;
  assert.ok(first);
  const broker = memoryBroker();
  const keeper = await keeperOf(all);
  const { refused } = await following(broker.connect(), keeper);
  const line = broker.connect();
  await line.publish(rosterTopic('works', 3), first.bytes, retained);
  const another = await nextVersion(await identityOf('bob'), null);
  await line.publish(rosterTopic('works', 4), another.bytes, retained);
  await until(() => refused.length === 1);
  assert.deepEqual([keeper.current?.version, refused], [3, ['roster-invalid at sealwire/1/roster/works/4']]);
});

test('a store that fails is told, and the roster comes again with the next subscription', { timeout }, async () => {
  const [first] = await versions(1);
  assert.ok(first);
  const broker = memoryBroker();
  await broker.connect().publish(rosterTopic('works', 1), first.bytes, retained);
  const store = new BrokenStore();
  const keeper = await keeperOf([], store);
  const { refused, subscription } = await following(broker.connect(), keeper);
  assert.deepEqual([refused, keeper.current], [['internal at sealwire/1/roster/works/1'], null]);
  store.fault = new SealwireError('file-unwritable', 'The disk is full.');
  await subscription.unsubscribe();
  const again = await following(broker.connect(), keeper);
  assert.deepEqual(again.refused, ['file-unwritable at sealwire/1/roster/works/1']);
  store.fault = undefined;
  await following(broker.connect(), keeper);
  assert.equal(keeper.current?.version, 1);
});

class BrokenStore extends MemoryRosters {
  fault: Error | undefined = new Error('nobody expected this');

  override async keep(version: number, bytes: Uint8Array): Promise<void> {
    if (this.fault) throw this.fault;
    await super.keep(version, bytes);
  }
}

test('a line that is closed is refused', { timeout }, async () => {
  const line = memoryBroker().connect();
  const keeper = await keeperOf(await versions(1));
  await line.close();
  assert.equal(
    await refusal(publishRoster(line, keeper)),
    await refusal(followRoster(line, keeper, { turn }, () => {})),
  );
});
