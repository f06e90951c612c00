import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRosters, nextVersion, type RosterChange, versionsOf } from '../../test/support/rosters.ts';
import { identityOf } from '../../test/support/session-pair.ts';
import { refusal } from '../../test/support/units.ts';
import type { SignedRoster } from '../core/roster/roster.ts';
import { nodeCrypto, nodeVerifier } from '../node/crypto.ts';
import { RosterKeeper } from './roster-keeper.ts';

async function keeperOf(store: MemoryRosters = new MemoryRosters()): Promise<RosterKeeper> {
  const { id } = await identityOf('alice');
  return RosterKeeper.open({ crypto: nodeCrypto, verifierOf: nodeVerifier, store, authorityId: id, name: 'works' });
}

/** Versions of Alice's. */
async function versions(count: number, change: RosterChange = {}): Promise<SignedRoster[]> {
  const changes = Array.from({ length: count }, () => change);
  return versionsOf(await identityOf('alice'), changes);
}

test('versions are accepted one after the other, known again, and told of', async () => {
  const keeper = await keeperOf();
  const told: number[] = [];
  keeper.onChange((now, before) => void told.push(before?.version ?? 0, now.version));
  for (const { bytes } of await versions(3)) assert.equal(await keeper.offer(bytes), 'accepted');
  assert.deepEqual([keeper.current?.version, told], [3, [0, 1, 1, 2, 2, 3]]);
  for (const { bytes } of await versions(3)) assert.equal(await keeper.offer(bytes), 'known');
});

test('what comes ahead waits for what is missing', async () => {
  const keeper = await keeperOf();
  const [first, second, third, fourth] = await versions(4);
  assert.ok(first && second && third && fourth);
  assert.deepEqual(await keeper.offer(fourth.bytes), { missing: [1, 2, 3] });
  assert.deepEqual(await keeper.offer(second.bytes), { missing: [1] });
  await keeper.offer(first.bytes);
  assert.equal(keeper.current?.version, 2);
  await keeper.offer(third.bytes);
  assert.equal(keeper.current?.version, 4);
});

test('forged ones that come ahead do not take the place of the genuine one', async () => {
  const keeper = await keeperOf();
  const [first, second, third] = await versions(3);
  assert.ok(first && second && third);
  const forge = (at: number): Uint8Array =>
    second.bytes.map((byte, i) => (i === second.bytes.length - at ? byte ^ 1 : byte));
  await keeper.offer(forge(1));
  await keeper.offer(second.bytes);
  for (const at of [2, 3]) await keeper.offer(forge(at));
  await keeper.offer(third.bytes);
  await keeper.offer(first.bytes);
  assert.deepEqual([keeper.current?.version, keeper.failure], [3, null]);
});

test('a fork that was seen is not forgotten with the process, and nobody can invent one', async () => {
  const alice = await identityOf('alice');
  const [first] = await versions(1);
  assert.ok(first);
  const one = await nextVersion(alice, first, { expiresAtS: 2_000_000_001 });
  const other = await nextVersion(alice, first, { expiresAtS: 2_000_000_002 });
  const store = new MemoryRosters();
  const keeper = await keeperOf(store);
  for (const { bytes } of [first, one]) await keeper.offer(bytes);
  store.forked = other.bytes.with(other.bytes.length - 1, 0);
  assert.equal((await keeperOf(store)).failure, null);
  store.forked = null;
  await assert.rejects(keeper.offer(other.bytes), { code: 'roster-forked' });
  const again = await keeperOf(store);
  assert.deepEqual([again.failure?.code, again.current?.hash], ['roster-forked', one.hash]);
});

test('a fork that waited for its predecessor is noticed, though its version came by another way', async () => {
  const alice = await identityOf('alice');
  const keeper = await keeperOf();
  const [first, second] = await versions(2);
  assert.ok(first && second);
  const other = await nextVersion(alice, first, { expiresAtS: 2_000_000_001 });
  for (const { bytes } of [other, second]) assert.deepEqual(await keeper.offer(bytes), { missing: [1] });
  await keeper.offer(first.bytes);
  assert.deepEqual([keeper.current?.hash, keeper.failure?.code], [other.hash, 'roster-forked']);
});

test('two versions race: the one that came first stays, and the other one is a fork that ends all use', async () => {
  const alice = await identityOf('alice');
  const keeper = await keeperOf();
  const [first] = await versions(1);
  assert.ok(first);
  const one = await nextVersion(alice, first, { expiresAtS: 2_000_000_001 });
  const other = await nextVersion(alice, first, { expiresAtS: 2_000_000_002 });
  await keeper.offer(first.bytes);
  await keeper.offer(one.bytes);
  assert.equal(await refusal(keeper.offer(other.bytes)), 'roster-forked');
  assert.equal(keeper.failure?.code, 'roster-forked');
  assert.equal(keeper.current?.expiresAtS, 2_000_000_001);
});

test('a version that follows another one than ours is a fork too', async () => {
  const alice = await identityOf('alice');
  const keeper = await keeperOf();
  const [first] = await versions(1);
  assert.ok(first);
  const other = await nextVersion(alice, first, { expiresAtS: 2_000_000_002 });
  await keeper.offer(first.bytes);
  await keeper.offer((await nextVersion(alice, first)).bytes);
  assert.equal(await refusal(keeper.offer((await nextVersion(alice, other)).bytes)), 'roster-forked');
});

test('nobody but its authority makes a version, and nobody but the authority can claim a fork', async () => {
  const bob = await identityOf('bob');
  const keeper = await keeperOf();
  const [first] = await versions(1);
  assert.ok(first);
  assert.equal(await refusal(keeper.offer((await nextVersion(bob, null)).bytes)), 'roster-invalid');
  await keeper.offer(first.bytes);
  assert.equal(await refusal(keeper.offer((await nextVersion(bob, first)).bytes)), 'roster-invalid');
  assert.equal(await refusal(keeper.offer((await nextVersion(bob, null)).bytes)), 'roster-invalid');
  const forged = await nextVersion({ ...bob, id: (await identityOf('alice')).id }, first);
  assert.equal(await refusal(keeper.offer(forged.bytes)), 'signature-invalid');
  assert.equal(keeper.failure, null);
});

test('the authority’s key is replaced: the old one signs the version that names the new one', async () => {
  const [alice, carol] = [await identityOf('alice'), await identityOf('carol')];
  const keeper = await keeperOf();
  const [first] = await versions(1);
  assert.ok(first);
  const handover = await nextVersion(alice, first, { authorityKey: carol.signer.publicKey });
  const next = await nextVersion(carol, handover);
  for (const { bytes } of [first, handover, next]) assert.equal(await keeper.offer(bytes), 'accepted');
  assert.equal(await refusal(keeper.offer((await nextVersion(alice, next)).bytes)), 'roster-invalid');
});

test('it goes on from what was kept, and not from what was tampered with', async () => {
  const store = new MemoryRosters();
  const keeper = await keeperOf(store);
  const [first, second] = await versions(2);
  assert.ok(first && second);
  await keeper.offer(first.bytes);
  await keeper.offer(second.bytes);
  assert.equal((await keeperOf(store)).current?.version, 2);
  store.kept.delete(1);
  assert.equal(await refusal(keeperOf(store)), 'roster-invalid');
  store.kept.set(1, (await nextVersion(await identityOf('bob'), null)).bytes);
  assert.equal(await refusal(keeperOf(store)), 'roster-invalid');
});
