import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex } from '../bytes.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { SealwireError } from '../errors.ts';
import { formatToken, makeToken, parseToken, tokenKeys } from './token.ts';

const authorityId = new Uint8Array(32).fill(5);
const fixed = { authorityId, secret: new Uint8Array(16).fill(6) };
const text = formatToken(nobleCrypto, fixed);

test('a token goes through text, with spaces around it', () => {
  assert.match(text, /^sealwire-enrol:[\w-]{71}$/);
  assert.deepEqual(parseToken(nobleCrypto, `  ${text}\n`), fixed);
});

test('a wrong, missing or added character anywhere is found, and the token does not stand in the error', () => {
  const wrong = [text.slice(0, -1), `${text}A`, text.slice(1), text.replace(':', ' '), '', 'sealwire-enrol:'];
  for (let at = 15; at < text.length; at++) {
    wrong.push(`${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`);
  }
  for (const candidate of wrong) {
    assert.throws(
      () => parseToken(nobleCrypto, candidate),
      (error) =>
        error instanceof SealwireError && error.code === 'token-invalid' && !error.message.includes(text.slice(60, 80)),
      candidate,
    );
  }
});

test('keys and id hang on the secret and on the authority, and differ from each other and from the secret', () => {
  const all = [
    tokenKeys(nobleCrypto, fixed),
    tokenKeys(nobleCrypto, makeToken(nobleCrypto, authorityId)),
    tokenKeys(nobleCrypto, { ...fixed, authorityId: new Uint8Array(32).fill(7) }),
  ].flatMap(({ tokenId, requestKey, answerKey }) => [tokenId, requestKey, answerKey]);
  const shown = [...all.map(bytesToHex), bytesToHex(fixed.secret)];
  assert.equal(new Set(shown).size, shown.length);
  assert.deepEqual(tokenKeys(nobleCrypto, fixed), tokenKeys(nobleCrypto, parseToken(nobleCrypto, text)));
});

test('what does not make a token is refused', () => {
  const short = { authorityId, secret: new Uint8Array(15) };
  assert.throws(() => formatToken(nobleCrypto, short), { code: 'malformed' });
});
