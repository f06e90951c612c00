import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeBetween } from '../../../test/support/roster-exchange.ts';
import { MemoryRosters, nextVersion, versionsOf } from '../../../test/support/rosters.ts';
import { identityOf } from '../../../test/support/session-pair.ts';
import { type CborValue, encodeCbor } from '../../core/cbor.ts';
import { SealwireError } from '../../core/errors.ts';
import { KIND } from '../../core/kinds.ts';
import type { SignedRoster } from '../../core/roster/roster.ts';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import { RosterKeeper } from '../roster-keeper.ts';

const timeout = 60_000;

async function keeperOf(versions: readonly SignedRoster[], store = new MemoryRosters()): Promise<RosterKeeper> {
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

const codesOf = (refused: readonly { readonly error: SealwireError }[]): string[] =>
  refused.map(({ error }) => error.code);

test('who is behind gets what it lacks, whoever speaks first, and nothing twice', { timeout }, async () => {
  const all = await versions(50);
  for (const first of ['alice', 'bob'] as const) {
    for (const has of [0, 1, 15, 16, 17, 49, 50]) {
      const [ahead, behind] = [await keeperOf(all), await keeperOf(all.slice(0, has))];
      const { alice, bob, settle } = await exchangeBetween([ahead, behind]);
      for (const side of first === 'alice' ? [alice, bob] : [bob, alice]) side.exchange.greet(side.session);
      await settle();
      assert.equal(behind.current?.version, 50, `${first} first, ${has} there`);
      const handedOn = alice.said.length - 1;
      assert.equal(handedOn, 50 - has, `${handedOn} versions were handed on, ${50 - has} were missing`);
      assert.deepEqual([bob.refused, alice.refused], [[], []]);
    }
  }
});

test('what fills a gap brings on those that waited for it, and the rest is asked for', { timeout }, async () => {
  const all = await versions(40);
  const [ahead, behind] = [await keeperOf(all), await keeperOf(all.slice(0, 3))];
  for (const { bytes } of all.slice(14, 18)) await behind.offer(bytes);
  const { bob, settle } = await exchangeBetween([ahead, behind]);
  bob.exchange.greet(bob.session);
  await settle();
  assert.equal(behind.current?.version, 40);
});

test('two without a roster, and two with the same one, say so and no more', { timeout }, async () => {
  const all = await versions(2);
  for (const has of [0, 2]) {
    const { alice, bob, settle } = await exchangeBetween([
      await keeperOf(all.slice(0, has)),
      await keeperOf(all.slice(0, has)),
    ]);
    for (const side of [alice, bob]) side.exchange.greet(side.session);
    await settle();
    assert.deepEqual([alice.said, bob.said], [[encodeCbor(has)], [encodeCbor(has)]]);
  }
});

test('whatever a peer says that is no roster is told, and changes nothing', { timeout }, async () => {
  const all = await versions(2);
  const keeper = await keeperOf(all);
  const { alice, bob, settle } = await exchangeBetween([keeper, await keeperOf(all)]);
  const bobs = await nextVersion(await identityOf('bob'), all[1] ?? null);
  const wrong: readonly CborValue[] = [-1, 2n ** 60n, 'two', null, [2], true, new Uint8Array(3), bobs.bytes];
  for (const said of wrong) await alice.exchange.take(alice.session, encodeCbor(said));
  await alice.exchange.take(alice.session, Uint8Array.of(0xff));
  await settle();
  assert.deepEqual(codesOf(alice.refused), [...wrong.slice(1).map(() => 'malformed'), 'roster-invalid', 'malformed']);
  assert.ok(alice.refused.every(({ from }) => from === 'bob'));
  assert.deepEqual([alice.said, bob.said, keeper.current?.version], [[], [], 2]);
  assert.equal(keeper.failure, null);
});

test('a peer that claims what nobody has gets nothing', { timeout }, async () => {
  const keeper = await keeperOf(await versions(2));
  const { alice, settle } = await exchangeBetween([keeper, await keeperOf([])]);
  for (const claim of [2, 3, Number.MAX_SAFE_INTEGER]) await alice.exchange.take(alice.session, encodeCbor(claim));
  await settle();
  assert.deepEqual([alice.said, alice.refused], [[], []]);
});

test('a peer that says again and again that it has none is not given all of it each time', { timeout }, async () => {
  const { alice, bob, settle } = await exchangeBetween([await keeperOf(await versions(10)), await keeperOf([])]);
  for (let asked = 0; asked < 100; asked++) await bob.session.sendControl(KIND.roster, encodeCbor(0));
  await settle();
  assert.equal(alice.said.length, 10 + 32);
});

test('a peer that shows another history is found out', { timeout }, async () => {
  const authority = await identityOf('alice');
  const [first, second] = await versions(2);
  assert.ok(first && second);
  const other = await nextVersion(authority, first, { expiresAtS: 2_000_000_000 });
  const longer = await nextVersion(authority, other);
  const [ours, theirs] = [await keeperOf([first, second]), await keeperOf([first, other, longer])];
  const { alice, bob, settle } = await exchangeBetween([ours, theirs]);
  for (const side of [alice, bob]) side.exchange.greet(side.session);
  await settle();
  assert.deepEqual(codesOf(alice.refused), ['roster-forked']);
  assert.equal(ours.failure?.code, 'roster-forked');
  assert.deepEqual(ours.current?.hash, second.hash);
});

test('a roster that cannot be kept is told, and taken when it comes again', { timeout }, async () => {
  const all = await versions(1);
  const store = new FullStore();
  const behind = await keeperOf([], store);
  const { alice, bob, settle } = await exchangeBetween([await keeperOf(all), behind]);
  bob.exchange.greet(bob.session);
  await settle();
  assert.deepEqual([codesOf(bob.refused), behind.current], [['file-unwritable'], null]);
  store.isFull = false;
  bob.exchange.greet(bob.session);
  await settle();
  assert.deepEqual([behind.current?.version, alice.refused], [1, []]);
});

class FullStore extends MemoryRosters {
  isFull = true;

  override async keep(version: number, bytes: Uint8Array): Promise<void> {
    if (this.isFull) throw new SealwireError('file-unwritable', 'The disk is full.');
    await super.keep(version, bytes);
  }
}
