import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelOf } from '../../../test/support/channels.ts';
import { channelByName, channelOfTopic, mayRead, mayWrite } from './rights.ts';
import type { Roster } from './roster.ts';

const roster: Roster = {
  ...{ name: 'works', version: 1, previous: null, authorityKey: new Uint8Array(65), issuedAtS: 9, expiresAtS: null },
  members: [],
  channels: [
    channelOf({ name: 'alarms', filters: ['plant/+/alarm', 'office/alarm'] }),
    channelOf({ name: 'plant', filters: ['plant/#'] }),
  ],
  revocations: [],
};

test('a topic belongs to the first channel that has a filter for it', () => {
  const names = ['plant/1/alarm', 'office/alarm', 'plant/1/load', 'plant', 'office/door', 'plants/1'].map(
    (topic) => channelOfTopic(roster, topic)?.name,
  );
  assert.deepEqual(names, ['alarms', 'alarms', 'plant', 'plant', undefined, undefined]);
  assert.equal(channelByName(roster, 'plant'), roster.channels[1]);
  assert.equal(channelByName(roster, 'office'), undefined);
});

test('who writes does not read for that, nor the other way round', () => {
  const channel = channelOf();
  assert.deepEqual(
    ['alice', 'bob', 'dora'].map((name) => [mayWrite(channel, name), mayRead(channel, name)]),
    [
      [true, false],
      [false, true],
      [false, false],
    ],
  );
});
