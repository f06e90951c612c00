import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { fixedSigner } from '../../../test/support/identities.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { isSealwireError } from '../errors.ts';
import { checkName, formatId, identityId, idToTopic, parseId, shellWord } from './id.ts';

test('an id is the SHA-256 of the SubjectPublicKeyInfo that others make', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const expected = new Uint8Array(createHash('sha256').update(spki).digest());
  for (const crypto of [nobleCrypto, nodeCrypto]) {
    assert.deepEqual(identityId(crypto, new Uint8Array(spki.subarray(-65))), expected);
  }
});

test('an id reads back from the form it is shown in', () => {
  const id = identityId(nobleCrypto, fixedSigner(1).publicKey);
  const shown = formatId(id);
  assert.match(shown, /^SHA256:[A-Za-z0-9+/]{43}$/);
  assert.deepEqual(parseId(shown), id);
  assert.equal(idToTopic(id), shown.slice(7).replaceAll('+', '-').replaceAll('/', '_'));
});

test('what is not quite an id is refused', () => {
  const shown = formatId(new Uint8Array(32));
  // The last character of 43 carries two bits that must be zero: else one id would have four forms.
  const twisted = `${shown.slice(0, -1)}B`;
  for (const text of [
    '',
    'SHA256:',
    shown.slice(7),
    `${shown}=`,
    shown.slice(0, -1),
    `${shown}AA`,
    ` ${shown}`,
    twisted,
  ]) {
    assert.throws(
      () => parseId(text),
      (error) => isSealwireError(error, 'malformed'),
      text,
    );
  }
  assert.throws(
    () => formatId(new Uint8Array(31)),
    (error) => isSealwireError(error, 'malformed'),
  );
});

test('a key in another form has no id', () => {
  const { publicKey } = fixedSigner(1);
  for (const other of [publicKey.subarray(1), publicKey.subarray(0, 33), Uint8Array.from(publicKey).fill(2, 0, 1)]) {
    assert.throws(
      () => identityId(nobleCrypto, other),
      (error) => isSealwireError(error, 'key-invalid'),
    );
  }
});

test('names are short, visible and have one form', () => {
  for (const name of [
    'a',
    'plant-sensor-7',
    'Zoë Müller',
    '変電所',
    'x'.repeat(64),
    '🛢️'.normalize('NFC').slice(0, 2),
  ]) {
    assert.equal(checkName(name), name);
  }
  const bad = ['', ' a', 'a ', 'a\nb', 'a\u001b[31m', 'a\u202eb', 'a\u200bb', 'x'.repeat(65), 'Zoe\u0308', '\ud800'];
  for (const name of bad) {
    assert.throws(
      () => checkName(name),
      (error) => isSealwireError(error, 'malformed'),
      JSON.stringify(name),
    );
  }
});

test('a name stays one word in the commands that hints show', () => {
  assert.equal(shellWord('plant-sensor-7'), "'plant-sensor-7'");
  assert.equal(shellWord("x'; rm -rf ~"), "'x'\\''; rm -rf ~'");
});
