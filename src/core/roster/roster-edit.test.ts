import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelOf } from '../../../test/support/channels.ts';
import { type ErrorCode, isSealwireError } from '../errors.ts';
import { BATCH_MAX, ROTATE_AFTER_FRAMES_MAX, ROTATE_AFTER_MS_MAX } from '../limits.ts';
import type { RosterMember } from './roster.ts';
import { checkRoster } from './roster-check.ts';
import {
  addMember,
  changeChannel,
  memberNamed,
  type RosterContent,
  removeChannel,
  removeMember,
  replaceMember,
  revoke,
} from './roster-edit.ts';

const idOf = (number: number): Uint8Array => new Uint8Array(32).fill(number);
const pin = (name: string, number: number): RosterMember => ({ type: 'pin', name, id: idOf(number) });
const group: RosterMember = { type: 'issued', name: 'sensors', pattern: 'sensor-*', certificate: new Uint8Array(9) };

const BEFORE: RosterContent = {
  ...{ name: 'works', authorityKey: new Uint8Array(65), expiresAtS: null },
  members: [pin('alice', 1), pin('bob', 2), group],
  channels: [channelOf({ readers: ['bob', 'sensors'], confirmers: ['bob'], erasers: ['bob', 'alice'] })],
  revocations: [{ id: idOf(9), timeS: 5, sinceIndex: 3 }],
};

/** Every edit gives what can be signed, and leaves what it was given alone. */
function edited(edit: (roster: RosterContent) => RosterContent): RosterContent {
  const copy = structuredClone(BEFORE);
  const after = edit(BEFORE);
  assert.deepEqual(BEFORE, copy);
  checkRoster({ ...after, version: 1, previous: null, issuedAtS: 1 });
  return after;
}

function codeOf(edit: (roster: RosterContent) => RosterContent): ErrorCode | undefined {
  try {
    edit(BEFORE);
  } catch (error) {
    if (isSealwireError(error)) return error.code;
    throw error;
  }
  return undefined;
}

test('a member is added once, under a name and a key that are free', () => {
  assert.deepEqual(edited((roster) => addMember(roster, pin('carol', 3))).members, [
    ...BEFORE.members,
    pin('carol', 3),
  ]);
  const refused = [pin('alice', 3), pin('sensors', 3), pin('carol', 1), pin('carol', 9)];
  for (const member of refused)
    assert.equal(
      codeOf((roster) => addMember(roster, member)),
      'usage',
      member.name,
    );
});

test('a member’s key is replaced: rights stay, and the old key counts no more', () => {
  const after = edited((roster) => replaceMember(roster, 'bob', idOf(3), 77));
  assert.deepEqual(memberNamed(after, 'bob'), pin('bob', 3));
  assert.deepEqual(after.channels, BEFORE.channels);
  assert.deepEqual(after.revocations.at(-1), { id: idOf(2), timeS: 77, sinceIndex: null });
  assert.equal(
    codeOf((roster) => replaceMember(roster, 'dora', idOf(3), 77)),
    'identity-unknown',
  );
  assert.equal(
    codeOf((roster) => replaceMember(roster, 'sensors', idOf(3), 77)),
    'usage',
  );
  for (const taken of [1, 2, 9])
    assert.equal(
      codeOf((roster) => replaceMember(roster, 'bob', idOf(taken), 77)),
      'usage',
    );
});

test('a member is removed from wherever it is named', () => {
  const after = edited((roster) => removeMember(roster, 'bob'));
  assert.deepEqual(after.members, [pin('alice', 1), group]);
  const [channel] = after.channels;
  assert.deepEqual(channel, channelOf({ readers: ['sensors'], confirmers: 'none', erasers: ['alice'] }));
  assert.deepEqual(after.revocations, BEFORE.revocations);
  assert.deepEqual(edited((roster) => removeMember(roster, 'alice')).channels[0]?.writers, []);
  assert.equal(
    codeOf((roster) => removeMember(roster, 'dora')),
    'identity-unknown',
  );
});

test('a channel keeps what is not changed; a new one begins with the widest bounds and nobody', () => {
  const changed = edited((roster) => changeChannel(roster, 'plant', { batchMax: 7, confirmers: 'all' }));
  assert.deepEqual(changed.channels, [{ ...BEFORE.channels[0], batchMax: 7, confirmers: 'all' }]);
  const begun = edited((roster) => changeChannel(roster, 'office', { filters: ['office/#'] }));
  assert.deepEqual(begun.channels, [
    BEFORE.channels[0],
    {
      ...{ name: 'office', filters: ['office/#'], writers: [], readers: [], confirmers: 'none', erasers: [] },
      ...{ rotateAfterMs: ROTATE_AFTER_MS_MAX, rotateAfterFrames: ROTATE_AFTER_FRAMES_MAX, batchMax: BATCH_MAX },
      ...{ history: false, paddingBytes: 0, evidence: 'none' },
    },
  ]);
  assert.deepEqual(edited((roster) => removeChannel(roster, 'plant')).channels, []);
  assert.equal(
    codeOf((roster) => removeChannel(roster, 'office')),
    'channel-unknown',
  );
});

test('a key is revoked once, of a member or of somebody under an authority', () => {
  const after = edited((roster) => revoke(revoke(roster, idOf(2), 7, null), idOf(50), 8, 12));
  assert.deepEqual(after.revocations.slice(1), [
    { id: idOf(2), timeS: 7, sinceIndex: null },
    { id: idOf(50), timeS: 8, sinceIndex: 12 },
  ]);
  assert.deepEqual(after.members, BEFORE.members);
  assert.equal(
    codeOf((roster) => revoke(roster, idOf(9), 7, null)),
    'usage',
  );
});
