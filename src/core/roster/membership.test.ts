import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fixedHolder, fixedSigner, type Holder } from '../../../test/support/identities.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { identityId } from '../identity/id.ts';
import { matchesPattern, memberOf, rosterAnchors } from './membership.ts';
import type { IssuedMembers, Roster, RosterMember } from './roster.ts';

const idOf = (number: number): Uint8Array => identityId(nodeCrypto, fixedSigner(number).publicKey);
const pin = (name: string, number: number): RosterMember => ({ type: 'pin', name, id: idOf(number) });
const group = (name: string, pattern: string, { certificate }: Holder): IssuedMembers => {
  return { type: 'issued', name, pattern, certificate: certificate.der };
};
const issued = (name: string, number: number, { signer }: Holder) => {
  return { id: idOf(number), name, authority: signer.publicKey };
};

function rosterOf(members: readonly RosterMember[], revoked: readonly number[] = []): Roster {
  return {
    ...{ name: 'works', version: 1, previous: null, authorityKey: new Uint8Array(65), issuedAtS: 9, expiresAtS: null },
    ...{
      members,
      channels: [],
      revocations: revoked.map((number) => ({ id: idOf(number), timeS: 1, sinceIndex: null })),
    },
  };
}

test('a key is known by its pin, whatever its certificate says', async () => {
  const plant = await fixedHolder('plant', 1, { ca: true });
  const roster = rosterOf([group('sensors', '*', plant), pin('alice', 2)]);
  assert.equal(memberOf(roster, { id: idOf(2), name: 'mallory', authority: null }), 'alice');
  assert.equal(memberOf(roster, issued('sensor-1', 2, plant)), 'alice');
  assert.equal(memberOf(roster, { id: idOf(3), name: 'alice', authority: null }), null);
});

test('a group whose certificate cannot be read has no members, and takes nobody else’s away', async () => {
  const plant = await fixedHolder('root', 1, { ca: true });
  const broken: IssuedMembers = { type: 'issued', name: 'broken', pattern: '*', certificate: new Uint8Array(9) };
  const roster = rosterOf([broken, group('sensors', '*', plant), pin('alice', 2)]);
  assert.equal(rosterAnchors(roster).length, 2);
  assert.equal(memberOf(roster, issued('sensor-1', 3, plant)), 'sensors');
});

test('a group is those whom its own authority vouches for, under a name of its pattern', async () => {
  const [plant, office] = await Promise.all([1, 5].map((number) => fixedHolder('root', number, { ca: true })));
  assert.ok(plant && office);
  const roster = rosterOf([
    group('sensors', 'sensor-*', plant),
    group('doors', 'sensor-door-*', plant),
    group('staff', '*', office),
  ]);
  const cases = [
    [issued('sensor-7', 7, plant), 'sensors'],
    [issued('pump-7', 7, plant), null],
    [issued('sensor-7', 7, office), 'staff'],
    // The first group that fits; a name of nobody's under no authority is nobody.
    [issued('sensor-door-7', 7, plant), 'sensors'],
    [{ id: idOf(7), name: 'sensor-7', authority: null }, null],
    [{ id: idOf(7), name: 'sensor-7', authority: fixedSigner(9).publicKey }, null],
  ] as const;
  for (const [identity, expected] of cases) assert.equal(memberOf(roster, identity), expected, identity.name);
});

test('an authority that has renewed its certificate is the same one: its key counts', async () => {
  const before = await fixedHolder('plant', 1, { ca: true });
  const renewed = await fixedHolder('plant', 1, { ca: true, serial: new Uint8Array(16).fill(99) });
  assert.notDeepEqual(before.certificate.der, renewed.certificate.der);
  assert.equal(memberOf(rosterOf([group('sensors', '*', before)]), issued('sensor-7', 7, renewed)), 'sensors');
});

test('who is revoked is nobody, by pin or by certificate, and no anchor either', async () => {
  const plant = await fixedHolder('plant', 1, { ca: true });
  const members = [pin('alice', 2), pin('bob', 3), group('sensors', '*', plant)];
  const roster = rosterOf(members, [2, 7]);
  assert.equal(memberOf(roster, { id: idOf(2), name: 'alice', authority: null }), null);
  assert.equal(memberOf(roster, issued('sensor-7', 2, plant)), null);
  assert.equal(memberOf(roster, issued('sensor-7', 7, plant)), null);
  assert.equal(memberOf(roster, issued('sensor-8', 8, plant)), 'sensors');
  const anchors = rosterAnchors(roster).map((anchor) => ('der' in anchor ? anchor.der : anchor));
  assert.deepEqual(anchors, [{ name: 'bob', id: idOf(3) }, plant.certificate.der]);
});

const PATTERNS: readonly (readonly [pattern: string, fits: readonly string[], not: readonly string[]])[] = [
  ['pump', ['pump'], ['pump-1', 'a pump', 'Pump', '']],
  ['*', ['', 'pump', '*'], []],
  ['sensor-*', ['sensor-', 'sensor-7'], ['sensor', 'a sensor-7', 'SENSOR-7']],
  ['*-7', ['-7', 'sensor-7'], ['sensor-77', '7']],
  ['a*b*c', ['abc', 'aXbYc', 'abbcc', 'abcbc'], ['acb', 'ab', 'aXc', 'abcX']],
  // What stands for one star must not stand for the text around it as well.
  ['ab*ba', ['abba', 'abXba'], ['aba', 'ab']],
  ['a**a', ['aa', 'aXa'], ['a']],
  ['a*bc*cd', ['abccd', 'aXbcYcd'], ['abcd']],
  ['.*', ['.', '.x'], ['x']],
];

for (const [pattern, fits, not] of PATTERNS) {
  test(`the pattern ${pattern}`, () => {
    for (const name of fits) assert.equal(matchesPattern(pattern, name), true, name);
    for (const name of not) assert.equal(matchesPattern(pattern, name), false, name);
  });
}

test('patterns mean what the same regular expressions mean', () => {
  const few = (...letters: string[]) => fc.string({ unit: fc.constantFrom(...letters), maxLength: 9 });
  fc.assert(
    fc.property(few('a', 'b', '*'), few('a', 'b', '*'), (pattern, name) => {
      const expression = new RegExp(`^${pattern.split('*').join('[^]*')}$`);
      assert.equal(matchesPattern(pattern, name), expression.test(name));
    }),
    { seed: 20260701, numRuns: 3000 },
  );
});
