import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { noOpenssl, openssl } from '../../test/support/openssl.ts';
import { type ErrorCode, SealwireError } from '../core/errors.ts';
import { generateKey, PBKDF2_ITERATIONS, readPrivateKey, writePrivateKey } from './key-files.ts';

const source = 'identity.key';
const passphrase = 'correct horse, Bätterie';

function refused(pem: string, opening: string | undefined, code: ErrorCode, sentence: RegExp): void {
  assert.throws(
    () => readPrivateKey(pem, opening === undefined ? { source } : { source, passphrase: opening }),
    (error) => {
      assert.ok(error instanceof SealwireError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, sentence);
      return true;
    },
  );
}

test('a key reads back from its file, plain and under a passphrase', () => {
  const key = generateKey();
  assert.ok(readPrivateKey(writePrivateKey(key), { source }).equals(key));
  const locked = writePrivateKey(key, passphrase);
  assert.match(locked, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
  assert.ok(readPrivateKey(locked, { source, passphrase }).equals(key));
  assert.notEqual(writePrivateKey(key, passphrase), locked, 'a fresh salt every time');
});

test('a passphrase is asked for, and a wrong one is not taken', () => {
  const locked = writePrivateKey(generateKey(), passphrase);
  refused(locked, undefined, 'passphrase-required', /identity\.key is protected/);
  refused(locked, 'wrong', 'passphrase-wrong', /does not open identity\.key/);
  refused(locked, '', 'passphrase-wrong', /does not open identity\.key/);
  assert.throws(() => writePrivateKey(generateKey(), ''), /must not be empty/);
});

test('other keys and other files are refused by name', () => {
  const pem = { type: 'pkcs8', format: 'pem' } as const;
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export(pem).toString();
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const ed25519 = generateKeyPairSync('ed25519').privateKey.export(pem).toString();
  refused(p384, undefined, 'unsupported', /a key on the curve secp384r1/);
  refused(rsa.export(pem).toString(), undefined, 'unsupported', /a key of type rsa;/);
  refused(rsa.export({ type: 'pkcs1', format: 'pem' }).toString(), undefined, 'unsupported', /RSA PRIVATE KEY/);
  refused(ed25519, undefined, 'unsupported', /a key of type ed25519/);
  refused('', undefined, 'malformed', /holds no private key but no PEM block/);
  refused('not a key', undefined, 'malformed', /no PEM block/);
  const block = (label: string, body: string): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
  refused(block('CERTIFICATE', 'AAAA'), undefined, 'malformed', /but only CERTIFICATE/);
  refused(block('PRIVATE KEY', '***='), undefined, 'malformed', /not base64/);
  refused(block('PRIVATE KEY', 'AAAA'), undefined, 'key-invalid', /cannot be read/);
  const key = writePrivateKey(generateKey());
  refused(key + key, undefined, 'malformed', /holds 2 private keys/);
});

test('openssl opens our key files', { skip: noOpenssl }, () => {
  const key = generateKey();
  const spki = key.export({ type: 'pkcs8', format: 'pem' });
  assert.equal(openssl(['pkey'], writePrivateKey(key)), spki);
  const locked = writePrivateKey(key, passphrase);
  assert.equal(openssl(['pkey', '-passin', `pass:${passphrase}`], locked), spki);
  const rounds = PBKDF2_ITERATIONS.toString(16).toUpperCase().padStart(6, '0');
  assert.match(
    openssl(['asn1parse'], locked),
    new RegExp(`:PBKDF2[^]*INTEGER +:${rounds}[^]*hmacWithSHA256[^]*aes-256-cbc`),
  );
});

test('key files of openssl are read in all their forms', { skip: noOpenssl }, () => {
  const withParameters = openssl(['ecparam', '-name', 'prime256v1', '-genkey']);
  assert.match(withParameters, /^-----BEGIN EC PARAMETERS-----/);
  const key = readPrivateKey(withParameters, { source });
  const forms: [string, string[], string][] = [
    ['SEC1', ['ec'], '-----BEGIN EC PRIVATE KEY-----'],
    ['PKCS#8', ['pkey'], '-----BEGIN PRIVATE KEY-----'],
  ];
  for (const [what, command, begin] of forms) {
    const pem = openssl(command, withParameters);
    assert.ok(pem.startsWith(begin), what);
    assert.ok(readPrivateKey(pem, { source }).equals(key), what);
  }
  const pass = ['-passout', `pass:${passphrase}`];
  const locked: [string, string[]][] = [
    ['PBES2 as pkcs8 writes it', ['pkcs8', '-topk8', ...pass]],
    ['scrypt', ['pkcs8', '-topk8', '-scrypt', ...pass]],
    ['legacy encrypted SEC1', ['ec', '-aes256', ...pass]],
  ];
  for (const [what, command] of locked) {
    const pem = openssl(command, withParameters);
    assert.ok(readPrivateKey(pem, { source, passphrase }).equals(key), what);
    refused(pem, undefined, 'passphrase-required', /protected/);
    refused(pem, 'wrong', 'passphrase-wrong', /does not open/);
  }
  refused(openssl(['ecparam', '-name', 'secp384r1', '-genkey']), undefined, 'unsupported', /secp384r1/);
  const explicit = openssl(['ec', '-param_enc', 'explicit'], withParameters);
  assert.notEqual(explicit, openssl(['ec'], withParameters));
  assert.equal(writePrivateKey(readPrivateKey(explicit, { source })), writePrivateKey(key));
});
