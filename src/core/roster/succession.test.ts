import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextVersion, signRoster } from '../../../test/support/rosters.ts';
import { identityOf } from '../../../test/support/session-pair.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { type ErrorCode, isSealwireError } from '../errors.ts';
import type { SignedRoster } from './roster.ts';
import { decodeRoster } from './signed-roster.ts';
import { checkFollows, rosterClaim, stepTo } from './succession.ts';

async function scene() {
  const [alice, bob] = [await identityOf('alice'), await identityOf('bob')];
  const first = await nextVersion(alice, null);
  const second = await nextVersion(alice, first);
  const third = await nextVersion(alice, second);
  const trust = { authorityId: alice.id, name: 'works' };
  const step = (current: SignedRoster | null, offered: SignedRoster) => stepTo(nodeCrypto, trust, current, offered);
  return { alice, bob, first, second, third, step };
}

function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action();
  } catch (error) {
    if (isSealwireError(error)) return error.code;
    throw error;
  }
  return undefined;
}

test('forward only, one version at a time', async () => {
  const { alice, first, second, third, step } = await scene();
  const next = { type: 'next', signerKey: alice.signer.publicKey };
  assert.deepEqual([step(null, first), step(first, second), step(second, third)], [next, next, next]);
  const steps = [step(null, second), step(first, third), step(first, first), step(third, first), step(third, second)];
  assert.deepEqual(
    steps.map(({ type }) => type),
    ['ahead', 'ahead', 'known', 'known', 'known'],
  );
});

test('a first version is believed only of the authority that is trusted, with its own key in it', async () => {
  const { alice, bob, step } = await scene();
  const bobs = await nextVersion(bob, null);
  const forBob = await nextVersion(alice, null, { authorityKey: bob.signer.publicKey });
  const asAlice = await nextVersion({ ...bob, id: alice.id }, null);
  for (const offered of [bobs, forBob, asAlice])
    assert.equal(
      codeOf(() => step(null, offered)),
      'roster-invalid',
    );
});

test('another roster is another roster, whoever signed it', async () => {
  const { alice, first, step } = await scene();
  const other = await nextVersion(alice, null, { name: 'office' });
  assert.equal(
    codeOf(() => step(null, other)),
    'roster-invalid',
  );
  assert.equal(
    codeOf(() => step(first, other)),
    'roster-invalid',
  );
});

test('who signs a version is who the one before names', async () => {
  const { alice, bob, first, step } = await scene();
  assert.equal(
    codeOf(() => step(first, second(bob.id))),
    'roster-invalid',
  );
  const handover = await nextVersion(alice, first, { authorityKey: bob.signer.publicKey });
  assert.deepEqual(step(first, handover), { type: 'next', signerKey: alice.signer.publicKey });
  assert.deepEqual(step(handover, await nextVersion(bob, handover)), { type: 'next', signerKey: bob.signer.publicKey });
  const stale = await nextVersion(alice, handover);
  assert.equal(
    codeOf(() => step(handover, stale)),
    'roster-invalid',
  );

  function second(signerId: Uint8Array): SignedRoster {
    return { ...first, version: 2, previous: first.hash, signerId };
  }
});

test('a version that names another predecessor shows two histories', async () => {
  const { alice, first, second, third } = await scene();
  const other = await nextVersion(alice, first, { expiresAtS: 2_000_000_000 });
  assert.equal(
    codeOf(() => checkFollows(second, third)),
    undefined,
  );
  assert.equal(
    codeOf(() => checkFollows(null, first)),
    undefined,
  );
  assert.equal(
    codeOf(() => checkFollows(other, third)),
    'roster-forked',
  );
});

test('time does not go back from one version to the next, and may stand still', async () => {
  const { alice, first } = await scene();
  const at = async (issuedAtS: number) =>
    decodeRoster(nodeCrypto, await signRoster({ ...first, issuedAtS, version: 2, previous: first.hash }, alice));
  assert.equal(
    codeOf(() => checkFollows(first, first)),
    'roster-forked',
  );
  const [same, earlier] = [await at(first.issuedAtS), await at(first.issuedAtS - 1)];
  assert.equal(
    codeOf(() => checkFollows(first, same)),
    undefined,
  );
  assert.equal(
    codeOf(() => checkFollows(first, earlier)),
    'roster-invalid',
  );
});

test('labels and blocks name a version by its number and half its hash', async () => {
  const { second } = await scene();
  assert.deepEqual(rosterClaim(second), { version: 2, hash: second.hash.slice(0, 16) });
});
