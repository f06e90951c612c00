import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nobleCrypto, nobleSigner } from '../crypto/noble.ts';
import type { Roster } from '../roster/roster.ts';
import { addMember, changeChannel, type RosterContent, revoke } from '../roster/roster-edit.ts';
import { admit, isAdmitted } from './admission.ts';

const id = (number: number): Uint8Array => new Uint8Array(32).fill(number);
const empty: Roster = {
  name: 'works',
  version: 1,
  previous: null,
  authorityKey: nobleSigner(nobleCrypto.random(32)).publicKey,
  issuedAtS: 1_800_000_000,
  expiresAtS: null,
  members: [],
  channels: [],
  revocations: [],
};
const open = changeChannel(changeChannel(empty, 'all', { filters: ['#'] }), 'plant', { filters: ['plant/#'] });
const sensor = { name: 'sensor', id: id(1) };

function rights(roster: RosterContent): string[] {
  return roster.channels.map(({ name, writers, readers }) => `${name}: ${writers.join()} to ${readers.join()}`);
}

test('a newcomer becomes a member who writes and reads where it is to', () => {
  const next = admit(admit(open, sensor, ['plant']), { name: 'pump', id: id(2) }, ['all', 'plant']);
  assert.deepEqual(rights(next), ['all: pump to pump', 'plant: sensor,pump to sensor,pump']);
  assert.ok(isAdmitted(next, sensor));
  assert.ok(!isAdmitted(next, { name: 'sensor', id: id(2) }));
  assert.ok(!isAdmitted(open, sensor));
});

test('who is in already changes nothing, or only where it is to be now', () => {
  const before = admit(open, sensor, ['plant']);
  assert.equal(admit(before, sensor, ['plant']), before);
  assert.equal(admit(before, sensor, []), before);
  const more = admit(before, sensor, ['all']);
  assert.equal(more.members.length, 1);
  assert.deepEqual(rights(more), ['all: sensor to sensor', 'plant: sensor to sensor']);
});

test('a name that is taken, a key under another name, and a revoked key are refused', () => {
  const before = addMember(open, { type: 'pin', ...sensor });
  const refused = { code: 'enrolment-refused' };
  assert.throws(() => admit(before, { name: 'sensor', id: id(2) }, []), refused);
  assert.throws(() => admit(before, { name: 'pump', id: id(1) }, []), refused);
  const revoked = revoke(before, id(1), 1_800_000_000, null);
  assert.throws(() => admit(revoked, sensor, []), refused);
  assert.ok(!isAdmitted(revoked, sensor));
  assert.throws(() => admit(open, sensor, ['nowhere']), { code: 'channel-unknown' });
});
