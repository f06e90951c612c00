import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelOf } from '../../../test/support/channels.ts';
import { bytesToHex } from '../../core/bytes.ts';
import type { Confirmers, RosterMember, SignedRoster } from '../../core/roster/roster.ts';
import { confirmersOf } from './confirmers.ts';

const idOf = (number: number): Uint8Array => new Uint8Array(32).fill(number);
const hexOf = (...numbers: readonly number[]): Set<string> =>
  new Set(numbers.map((number) => bytesToHex(idOf(number))));
const pin = (name: string, number: number): RosterMember => ({ type: 'pin', name, id: idOf(number) });
const group: RosterMember = { type: 'issued', name: 'sensors', pattern: '*', certificate: new Uint8Array(1) };

function confirming(readers: readonly string[], confirmers: Confirmers, granted: Iterable<string> = []) {
  const members = [pin('alice', 1), pin('bob', 2), pin('carol', 3), group];
  const roster = { members, revocations: [] } as unknown as SignedRoster;
  return confirmersOf({ roster, channel: channelOf({ readers, confirmers }) }, idOf(1), granted);
}

test('who has to confirm is what the channel says, without oneself', () => {
  assert.equal(confirming(['bob'], 'none'), undefined);
  assert.equal(confirming(['bob'], 'any'), null);
  assert.deepEqual(confirming(['alice', 'bob', 'carol'], 'all'), hexOf(2, 3));
  assert.deepEqual(confirming(['bob', 'carol'], ['carol']), hexOf(3));
});

test('readers that only an authority vouches for count once they hold keys, and before that the first one is waited for', () => {
  assert.equal(confirming(['sensors'], 'all'), null);
  assert.deepEqual(confirming(['sensors'], 'all', hexOf(7)), hexOf(7));
  assert.deepEqual(confirming(['bob', 'sensors'], 'all', hexOf(7)), hexOf(2, 7));
  assert.deepEqual(confirming(['alice'], 'all'), new Set(), 'there is nobody to wait for');
});
