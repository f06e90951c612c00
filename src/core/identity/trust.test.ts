import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedHolder, fixedSigner } from '../../../test/support/identities.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { type ErrorCode, SealwireError } from '../errors.ts';
import { identityId } from './id.ts';
import {
  addAuthority,
  addPin,
  anchorsOf,
  EMPTY_TRUST,
  formatTrust,
  markVerified,
  parseTrust,
  pinById,
  pinByName,
  removeTrust,
} from './trust.ts';

const id = (number: number): Uint8Array => identityId(nobleCrypto, fixedSigner(number).publicKey);
const alice = { name: 'alice', id: id(1) };
const bob = { name: 'bob', id: id(2) };
const root = await fixedHolder('plant root', 3, { ca: true });
const plant = { name: 'plant', certificate: root.certificate };
const both = addAuthority(nobleCrypto, addPin(addPin(EMPTY_TRUST, bob), alice), plant);

function throws(action: () => unknown, code: ErrorCode, sentence: RegExp): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof SealwireError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, sentence);
    return true;
  });
}

test('pins are found by name and by id, and are anchors with the authorities', () => {
  assert.equal(pinByName(both, 'alice'), alice);
  assert.equal(pinByName(both, 'Alice'), undefined);
  assert.equal(pinById(both, id(2)), bob);
  assert.equal(pinById(both, id(9)), undefined);
  assert.deepEqual(anchorsOf(both), [alice, bob, root.certificate]);
});

test('a known name that shows a new key is refused with both fingerprints', () => {
  throws(
    () => addPin(both, { name: 'alice', id: id(9) }),
    'key-changed',
    /SHA256:.{43}, but now shows SHA256:.{43}\.$/,
  );
  assert.equal(addPin(both, alice), both);
});

test('that a safety number was compared is kept, and goes with the key it was about', () => {
  const verified = markVerified(both, 'alice', 1_790_000_000);
  assert.deepEqual(pinByName(verified, 'alice'), { ...alice, verifiedAtS: 1_790_000_000 });
  assert.deepEqual(pinByName(verified, 'bob'), bob);
  assert.deepEqual(parseTrust(formatTrust(verified)).pins, verified.pins);
  assert.equal(addPin(verified, alice), verified);
  const again = addPin(removeTrust(verified, 'alice'), { name: 'alice', id: id(9) });
  assert.equal(pinByName(again, 'alice')?.verifiedAtS, undefined);
  throws(() => markVerified(both, 'plant', 1), 'identity-unknown', /"plant"/);
  for (const wrong of ['"1"', '-1', '1.5', 'null', '1e400']) {
    const text = formatTrust(verified).replace('1790000000', wrong);
    throws(() => parseTrust(text), 'malformed', /whole number of seconds/);
  }
});

test('an authority with a new key is refused, one with a renewed certificate replaces the old', async () => {
  const other = await fixedHolder('plant root', 4, { ca: true });
  const swapped = { name: 'plant', certificate: other.certificate };
  throws(() => addAuthority(nobleCrypto, both, swapped), 'key-changed', /^plant is trusted as/);
  const renewed = await fixedHolder('plant root', 3, { ca: true, serial: new Uint8Array(16) });
  const list = addAuthority(nobleCrypto, both, { name: 'plant', certificate: renewed.certificate });
  assert.deepEqual(list.authorities, [{ name: 'plant', certificate: renewed.certificate }]);
  assert.equal(addAuthority(nobleCrypto, both, plant), both);
});

test('a leaf is no authority', async () => {
  const { certificate } = await fixedHolder('leaf', 5);
  throws(() => addAuthority(nobleCrypto, both, { name: 'x', certificate }), 'certificate-invalid', /not an authority/);
});

test('no name and no id stands twice', () => {
  throws(() => addPin(both, { name: 'alias', id: id(1) }), 'usage', /pinned already, as alice/);
  throws(() => addPin(both, { name: 'plant', id: id(9) }), 'usage', /taken/);
  throws(() => addAuthority(nobleCrypto, both, { ...plant, name: 'bob' }), 'usage', /taken/);
  throws(() => addAuthority(nobleCrypto, both, { ...plant, name: 'alias plant' }), 'usage', /plant has this key/);
  throws(() => addPin(both, { name: 'a\nb', id: id(9) }), 'malformed', /control/);
});

test('what is removed can be added with another key', () => {
  const without = removeTrust(both, 'alice');
  assert.equal(pinByName(without, 'alice'), undefined);
  assert.equal(pinByName(addPin(without, { name: 'alice', id: id(9) }), 'alice')?.name, 'alice');
  assert.deepEqual(removeTrust(both, 'plant').authorities, []);
  throws(() => removeTrust(without, 'alice'), 'identity-unknown', /"alice"/);
});

test('the JSON form reads back and is the same for the same list', () => {
  const text = formatTrust(both);
  assert.deepEqual(parseTrust(text), both);
  assert.equal(formatTrust(parseTrust(text)), text);
  assert.deepEqual(parseTrust(formatTrust(EMPTY_TRUST)), EMPTY_TRUST);
});

test('a list of any other form is refused', () => {
  const pin = { name: 'alice', id: 'SHA256:hn8aBvpl4CTmnNWXCJmcYZIy0nkR1LbTtvnV4CkwLhQ' };
  const list = (change: object): string => JSON.stringify({ version: 1, pins: [], authorities: [], ...change });
  const bad: [string, RegExp][] = [
    ['', /not JSON/],
    ['{', /not JSON/],
    ['[]', /not an object/],
    ['null', /not an object/],
    ['{"version":1}', /no field pins/],
    [list({ version: 2 }), /version 1/],
    [list({ extra: 1 }), /unknown field "extra"/],
    [list({ pins: {} }), /not a list/],
    [list({ pins: [1] }), /not an object/],
    [list({ pins: [{ name: 'a' }] }), /no field id/],
    [list({ pins: [{ ...pin, name: 1 }] }), /should be text/],
    [list({ pins: [{ ...pin, name: 'a\u001bb' }] }), /control/],
    [list({ pins: [{ ...pin, id: 'SHA256:x' }] }), /not an id/],
    [list({ pins: [{ ...pin, note: '' }] }), /unknown field "note"/],
    [list({ pins: [pin, { ...pin, name: 'b' }] }), /an id stands twice/],
    [list({ pins: [pin, pin] }), /a name stands twice/],
    [list({ authorities: [{ name: 'a', certificate: '*' }] }), /not base64/],
  ];
  for (const [text, sentence] of bad) throws(() => parseTrust(text), 'malformed', sentence);
  throws(() => parseTrust(list({ authorities: [{ name: 'a', certificate: 'AAAA' }] })), 'certificate-invalid', /DER/);
});
