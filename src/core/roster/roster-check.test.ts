import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelOf } from '../../../test/support/channels.ts';
import { isSealwireError } from '../errors.ts';
import { BATCH_MAX, ROTATE_AFTER_FRAMES_MAX, ROTATE_AFTER_MS_MAX } from '../limits.ts';
import type { Channel, Roster, RosterMember } from './roster.ts';
import { checkRoster } from './roster-check.ts';

const idOf = (number: number): Uint8Array => new Uint8Array(32).with(0, number >> 8).with(1, number & 255);
const pin = (name: string, number: number): RosterMember => ({ type: 'pin', name, id: idOf(number) });
const group = (pattern: string): RosterMember => {
  return { type: 'issued', name: 'group', pattern, certificate: new Uint8Array(1) };
};
const MEMBERS = [pin('alice', 1), pin('bob', 2), pin('carol', 3)];
const many = <T>(count: number, make: (number: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const revocation = (number: number) => ({ id: idOf(number), timeS: 1, sinceIndex: null });

function rosterOf(more: Partial<Roster> = {}): Roster {
  return {
    ...{ name: 'works', version: 1, previous: null, authorityKey: new Uint8Array(65), issuedAtS: 9, expiresAtS: null },
    ...{ members: MEMBERS, channels: [channelOf()], revocations: [], ...more },
  };
}

const inChannel = (more: Partial<Channel>): Roster => rosterOf({ channels: [channelOf(more)] });

const GOOD: Readonly<Record<string, Roster>> = {
  'nobody and nothing': rosterOf({ members: [], channels: [] }),
  'a name of 32 letters of any script': rosterOf({ name: 'ж'.repeat(32) }),
  'a second version over the first': rosterOf({ version: 2, previous: idOf(1) }),
  'one that expires a second after its time': rosterOf({ expiresAtS: 10 }),
  'as many members as there may be': rosterOf({ members: [...MEMBERS, ...many(4093, (i) => pin(`m${i}`, i + 9))] }),
  'as many channels as there may be': rosterOf({ channels: many(256, (i) => channelOf({ name: `c${i}` })) }),
  'as many revocations as there may be': rosterOf({ revocations: many(4096, revocation) }),
  'two groups under one authority': rosterOf({ members: [...MEMBERS, group('a*'), { ...group('b*'), name: 'other' }] }),
  'a pattern of 64 characters': rosterOf({ members: [...MEMBERS, group('💡'.repeat(64))] }),
  'a channel with nobody in it': inChannel({ writers: [], readers: [] }),
  'a channel’s name of 64 bytes': inChannel({ name: 'ü'.repeat(32) }),
  'as many filters as there may be': inChannel({ filters: many(64, (i) => `plant/${i}`) }),
  'a filter that only looks like our own': inChannel({ filters: ['sealwires/#'] }),
  'a reader who confirms': inChannel({ confirmers: ['carol'] }),
  'who writes, reads and erases at once': inChannel({ writers: ['bob'], readers: ['bob'], erasers: ['bob'] }),
  'the largest numbers': inChannel({
    ...{ batchMax: BATCH_MAX, rotateAfterMs: ROTATE_AFTER_MS_MAX, rotateAfterFrames: ROTATE_AFTER_FRAMES_MAX },
    paddingBytes: 65_536,
  }),
  'the smallest numbers': inChannel({ batchMax: 1, rotateAfterMs: 1000, rotateAfterFrames: 1, paddingBytes: 0 }),
  'evidence of frames with one message': inChannel({ evidence: 'keep', batchMax: 1 }),
};

for (const [what, roster] of Object.entries(GOOD)) {
  test(`taken: ${what}`, () => checkRoster(roster));
}

const BAD: Readonly<Record<string, Roster>> = {
  'no name': rosterOf({ name: '' }),
  'a name of 33 letters': rosterOf({ name: 'a'.repeat(33) }),
  'a name that would be another topic': rosterOf({ name: 'a/b' }),
  'a name that would be a filter': rosterOf({ name: '+' }),
  'confirmers, and none of them named': inChannel({ confirmers: [] }),
  'a group that is to confirm': rosterOf({
    members: [...MEMBERS, group('*')],
    channels: [channelOf({ readers: ['group'], confirmers: ['group'] })],
  }),
  'version 0': rosterOf({ version: 0 }),
  'a first version that follows something': rosterOf({ previous: idOf(1) }),
  'a second version that follows nothing': rosterOf({ version: 2 }),
  'one that expires at its time': rosterOf({ expiresAtS: 9 }),
  'a member too many': rosterOf({ members: many(4097, (i) => pin(`m${i}`, i)), channels: [] }),
  'a channel too many': rosterOf({ channels: many(257, (i) => channelOf({ name: `c${i}` })) }),
  'a revocation too many': rosterOf({ revocations: many(4097, revocation) }),
  'a member without a name': rosterOf({ members: [...MEMBERS, pin('', 4)] }),
  'a member’s name that looks like another': rosterOf({ members: [...MEMBERS, pin('ali\u200bce', 4)] }),
  'a member twice': rosterOf({ members: [...MEMBERS, pin('alice', 4)] }),
  'a key under two names': rosterOf({ members: [...MEMBERS, pin('dora', 1)] }),
  'a group with the name of a member': rosterOf({ members: [...MEMBERS, { ...group('*'), name: 'alice' }] }),
  'a group for no name': rosterOf({ members: [...MEMBERS, group('')] }),
  'a pattern of 65 characters': rosterOf({ members: [...MEMBERS, group('a'.repeat(65))] }),
  'a pattern with a control character': rosterOf({ members: [...MEMBERS, group('a\u0007*')] }),
  'a key revoked twice, from one entry and from another': rosterOf({
    revocations: [revocation(7), { ...revocation(7), sinceIndex: 3 }],
  }),
  'a channel twice': rosterOf({ channels: [channelOf(), channelOf({ filters: ['office'] })] }),
  'a channel without a name': inChannel({ name: '' }),
  'a channel’s name of 65 bytes': inChannel({ name: `${'ü'.repeat(32)}x` }),
  'a channel without a filter': inChannel({ filters: [] }),
  'a filter too many': inChannel({ filters: many(65, (i) => `plant/${i}`) }),
  'a filter twice': inChannel({ filters: ['a', 'b', 'a'] }),
  'a filter for our own topics': inChannel({ filters: ['sealwire/1/roster/+/+'] }),
  'a filter for the root of our own topics': inChannel({ filters: ['sealwire'] }),
  'a shared subscription': inChannel({ filters: ['$share/group/plant'] }),
  'a writer who is no member': inChannel({ writers: ['dora'] }),
  'a reader who is no member': inChannel({ readers: ['bob', 'dora'] }),
  'an eraser who is no member': inChannel({ erasers: ['dora'] }),
  'a confirmer who is no member': inChannel({ confirmers: ['dora'] }),
  'a confirmer who does not read': inChannel({ confirmers: ['alice'] }),
  'a writer twice': inChannel({ writers: ['alice', 'alice'] }),
  'a reader twice': inChannel({ readers: ['bob', 'carol', 'bob'] }),
  'a confirmer twice': inChannel({ confirmers: ['bob', 'bob'] }),
  'batches of nothing': inChannel({ batchMax: 0 }),
  'batches of too much': inChannel({ batchMax: BATCH_MAX + 1 }),
  'ratchets that are always too old': inChannel({ rotateAfterMs: 999 }),
  'ratchets older than a day': inChannel({ rotateAfterMs: ROTATE_AFTER_MS_MAX + 1 }),
  'ratchets for no frame': inChannel({ rotateAfterFrames: 0 }),
  'ratchets for too many frames': inChannel({ rotateAfterFrames: ROTATE_AFTER_FRAMES_MAX + 1 }),
  'padding over the bound': inChannel({ paddingBytes: 65_537 }),
  'evidence that would show other messages': inChannel({ evidence: 'keep', batchMax: 2 }),
};

for (const [what, roster] of Object.entries(BAD)) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => checkRoster(roster),
      (error) => isSealwireError(error, 'roster-invalid'),
    );
  });
}

for (const filter of ['', 'a/#/b', 'a+', 'a\u0000']) {
  test(`refused: the filter ${JSON.stringify(filter)}`, () => {
    assert.throws(
      () => checkRoster(inChannel({ filters: ['a', filter] })),
      (error) => isSealwireError(error, 'topic-invalid'),
    );
  });
}

test('a list as long as fits is looked through once: nobody has checked a signature yet', () => {
  let looks = 0;
  const names = many(3000, (i) => `r${i}`);
  const readers = new Proxy(names, {
    get(list, key) {
      looks += 1;
      return Reflect.get(list, key);
    },
  });
  assert.throws(
    () => checkRoster(inChannel({ readers })),
    (error) => isSealwireError(error, 'roster-invalid'),
  );
  assert.ok(looks < 10 * names.length, `${looks} looks at ${names.length} names`);
});
