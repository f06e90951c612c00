import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { formatToken, makeToken, tokenKeys } from '../core/enrolment/token.ts';
import { nodeCrypto } from './crypto.ts';
import { SqliteTokens } from './sqlite-tokens.ts';

const token = makeToken(nodeCrypto, new Uint8Array(32).fill(3));
const expiresAtS = Math.floor(Date.now() / 1000) + 3600;
const issued = { ...tokenKeys(nodeCrypto, token), pattern: 'sensor-*', channels: ['all', 'plant'], expiresAtS };
const holder = { deviceId: new Uint8Array(32).fill(1), name: 'sensor-1' };
const other = { deviceId: new Uint8Array(32).fill(2), name: 'sensor-2' };

test('tokens are kept over restarts, claimed once, and completed by whoever has them', async (context) => {
  const path = join(await temporaryDirectory(context), 'tokens.db');
  {
    using tokens = new SqliteTokens(path);
    assert.equal(tokens.find(issued.tokenId), undefined);
    assert.equal(tokens.claim(issued.tokenId, holder), false, 'what is not there is nobody’s');
    tokens.add(issued);
    assert.deepEqual(tokens.find(issued.tokenId), { ...issued, holder: null, chain: null });
    assert.equal(tokens.countUsable(expiresAtS - 1), 1);
    assert.equal(tokens.countUsable(expiresAtS), 0);
  }
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  {
    // A desk, and the command line beside it.
    using tokens = new SqliteTokens(path);
    using beside = new SqliteTokens(path);
    assert.equal(tokens.claim(issued.tokenId, holder), true);
    assert.equal(beside.claim(issued.tokenId, other), false);
    assert.equal(beside.claim(issued.tokenId, { ...holder, name: 'sensor-2' }), false);
    assert.equal(beside.claim(issued.tokenId, holder), true, 'whoever has it has it');
    tokens.complete(issued.tokenId, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
    assert.equal(beside.countUsable(expiresAtS - 1), 0);
  }
  using tokens = new SqliteTokens(path);
  assert.deepEqual(tokens.find(issued.tokenId), { ...issued, holder, chain: [Uint8Array.of(1, 2), Uint8Array.of(3)] });
});

test('the token cannot be had from the file', async (context) => {
  const path = join(await temporaryDirectory(context), 'tokens.db');
  {
    using tokens = new SqliteTokens(path);
    tokens.add(issued);
  }
  const bytes = await readFile(path);
  assert.ok(bytes.includes(Buffer.from(issued.tokenId)), 'the search finds what is there');
  assert.equal(bytes.includes(Buffer.from(token.secret)), false);
  assert.equal(bytes.includes(formatToken(nodeCrypto, token).slice(-20)), false);
});

test('tokens that expired long ago are forgotten when others are added', async (context) => {
  const path = join(await temporaryDirectory(context), 'tokens.db');
  using tokens = new SqliteTokens(path);
  const weekAgo = Math.floor(Date.now() / 1000) - 8 * 86_400;
  const fresh = { ...tokenKeys(nodeCrypto, makeToken(nodeCrypto, token.authorityId)), pattern: 'x', channels: [] };
  tokens.add({ ...issued, expiresAtS: weekAgo });
  tokens.add({ ...fresh, expiresAtS });
  assert.equal(tokens.find(issued.tokenId), undefined);
  assert.equal(tokens.find(fresh.tokenId)?.pattern, 'x');
});

test('a file of something else is left alone', async (context) => {
  const path = join(await temporaryDirectory(context), 'tokens.db');
  await writeFile(path, 'notes\n'.repeat(1000));
  assert.throws(() => new SqliteTokens(path), { code: 'file-unreadable' });
  assert.match(await readFile(path, 'utf8'), /^notes/);
});
