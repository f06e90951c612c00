import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestRoster } from '../../../test/support/channels.ts';
import { identityOf } from '../../../test/support/session-pair.ts';
import { isRevoked, pinnedName } from './ids.ts';
import { memberOf } from './membership.ts';
import type { SignedRoster } from './roster.ts';

async function rosterOf(names: readonly string[], revoked: readonly string[] = []): Promise<SignedRoster> {
  const revocations = await Promise.all(
    revoked.map(async (name) => ({ id: (await identityOf(name)).id, timeS: 1, sinceIndex: null })),
  );
  const { current } = await TestRoster.of({ channels: [], names, revocations });
  assert.ok(current);
  return current;
}

test('who is pinned and who is revoked is told by id, in any copy of its bytes', async () => {
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map(identityOf));
  assert.ok(alice && bob && carol);
  const roster = await rosterOf(['alice', 'bob'], ['bob']);
  const copy = (id: Uint8Array): Uint8Array => Uint8Array.from(id);
  assert.deepEqual(
    [alice, bob, carol].map(({ id }) => pinnedName(roster, copy(id))),
    ['alice', 'bob', undefined],
  );
  assert.deepEqual(
    [alice, bob, carol].map(({ id }) => isRevoked(roster, copy(id))),
    [false, true, false],
  );
});

test('an answer about somebody is of one roster: the next may give another one', async () => {
  const { id } = await identityOf('alice');
  const alice = { id, name: 'alice', authority: null };
  const rosters = [await rosterOf(['alice']), await rosterOf(['bob']), await rosterOf(['alice'], ['alice'])];
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(
      rosters.map((roster) => memberOf(roster, alice)),
      ['alice', null, null],
    );
  }
});
