import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { manualClock } from '../../test/support/manual-clock.ts';
import { makeMember, trustOnly } from '../../test/support/stage.ts';
import { isSealwireError } from '../core/errors.ts';
import { openHome } from '../node/home.ts';
import { Addressees } from './addressees.ts';

test('names are found in the order of the questions, and are forgotten soon after trust is', async (t) => {
  const directory = await temporaryDirectory(t);
  const [ann, bob, eve] = [
    await makeMember(directory, 'ann'),
    await makeMember(directory, 'bob'),
    await makeMember(directory, 'eve'),
  ];
  await trustOnly(ann, [bob, eve]);
  const clock = manualClock(1_800_000_000_000);
  const addressees = new Addressees(await openHome(ann.home), undefined, clock);
  assert.equal(addressees.known('bob'), undefined);
  assert.deepEqual((await addressees.find('bob')).id, bob.identity.id);

  // Bob is known by now and Eve has to be looked up; still she was asked for first.
  const order: string[] = [];
  await Promise.all(['eve', 'bob', 'eve'].map(async (name) => order.push((await addressees.find(name)).name ?? '')));
  assert.deepEqual(order, ['eve', 'bob', 'eve']);

  assert.deepEqual(addressees.known('bob')?.id, bob.identity.id);
  await trustOnly(ann, [eve]);
  clock.advance(1_000);
  assert.equal(addressees.known('bob'), undefined);
  await assert.rejects(addressees.find('bob'), (error) => isSealwireError(error, 'identity-unknown'));
  assert.deepEqual((await addressees.find('eve')).id, eve.identity.id);
});
