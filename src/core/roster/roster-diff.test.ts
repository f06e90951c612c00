import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelOf } from '../../../test/support/channels.ts';
import { formatId } from '../identity/id.ts';
import type { Roster, RosterMember } from './roster.ts';
import { rosterDiff } from './roster-diff.ts';

const idOf = (number: number): Uint8Array => new Uint8Array(32).fill(number);
const pin = (name: string, number: number): RosterMember => ({ type: 'pin', name, id: idOf(number) });
const group = (certificate: number, pattern = 'sensor-*'): RosterMember => {
  return { type: 'issued', name: 'sensors', pattern, certificate: new Uint8Array(9).fill(certificate) };
};

const BEFORE: Roster = {
  ...{ name: 'works', version: 1, previous: null, authorityKey: new Uint8Array(65), issuedAtS: 9, expiresAtS: null },
  ...{ members: [pin('alice', 1), group(1)], channels: [channelOf({ readers: [] })], revocations: [] },
};

const linesOf = (change: Partial<Roster>, before = BEFORE): string[] =>
  rosterDiff(before, { ...before, ...change }).map(({ sign, what }) => `${sign} ${what}`);

test('what stays is not told: number, time and place in the chain change with every version', () => {
  assert.deepEqual(linesOf({ version: 2, previous: idOf(3), issuedAtS: 10 }), []);
});

test('members that come, go and change', () => {
  assert.deepEqual(linesOf({ members: [pin('alice', 2), pin('bob', 3)] }), [
    '- member sensors "sensor-*" under an authority',
    `~ member alice ${formatId(idOf(2))}`,
    `+ member bob ${formatId(idOf(3))}`,
  ]);
  assert.deepEqual(linesOf({ members: [pin('alice', 1), group(1, '*')] }), ['~ member sensors "*" under an authority']);
});

test('a group under another authority is a change, though its line is the same', () => {
  assert.deepEqual(linesOf({ members: [pin('alice', 1), group(2)] }), [
    '~ member sensors "sensor-*" under an authority',
  ]);
  assert.deepEqual(linesOf({ members: [pin('alice', 1), pin('sensors', 4)] }), [
    `~ member sensors ${formatId(idOf(4))}`,
  ]);
});

test('each part of a channel shows', () => {
  const changes = {
    ...{ filters: ['a'], writers: [], readers: ['alice'], confirmers: 'any', rotateAfterMs: 1000, erasers: ['alice'] },
    ...{ rotateAfterFrames: 5, history: true, batchMax: 2, paddingBytes: 64 },
  } as const;
  const texts = new Set<string>();
  for (const [part, value] of Object.entries(changes)) {
    const [line, ...more] = linesOf({ channels: [channelOf({ readers: [], [part]: value })] });
    assert.ok(line !== undefined, part);
    assert.ok(line.startsWith('~ channel plant on '), line);
    assert.deepEqual(more, []);
    texts.add(line);
  }
  assert.equal(texts.size, Object.keys(changes).length);
  const kept = linesOf({ channels: [channelOf({ readers: [], evidence: 'keep', batchMax: 1 })] });
  assert.match(kept.join(), /keeps evidence/);
  assert.match(linesOf({ channels: [] }).join(), /^- channel plant on plant\/#: writers alice; readers none; /);
});

test('revocations, an end and another authority', () => {
  const after = {
    revocations: [
      { id: idOf(1), timeS: 5, sinceIndex: null },
      { id: idOf(2), timeS: 5, sinceIndex: 17 },
    ],
    ...{ expiresAtS: 1_800_000_000, authorityKey: new Uint8Array(65).fill(4) },
  };
  assert.deepEqual(linesOf(after), [
    `+ revoked ${formatId(idOf(1))}`,
    `+ revoked ${formatId(idOf(2))} since entry 17`,
    '~ another authority',
    '~ expires 2027-01-15T08:00:00.000Z',
  ]);
  assert.deepEqual(linesOf({ expiresAtS: null }, { ...BEFORE, expiresAtS: 1_800_000_000 }), ['~ expires never']);
});
