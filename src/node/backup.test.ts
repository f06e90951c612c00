import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOW_MS } from '../../test/support/identities.ts';
import { refused } from '../../test/support/refused.ts';
import { addPin, EMPTY_TRUST, formatTrust } from '../core/identity/trust.ts';
import { type BackupSource, openBackup, sealBackup } from './backup.ts';
import { selfSign } from './certificates.ts';
import { generateKey } from './key-files.ts';
import { readPem, writePem } from './pem.ts';

const privateKey = generateKey();
const trust = addPin(EMPTY_TRUST, { name: 'bob', id: new Uint8Array(32).fill(7) });
const source: BackupSource = {
  privateKey,
  chain: [await selfSign(privateKey, { name: 'ann', nowMs: NOW_MS })],
  trustText: formatTrust(trust),
  roster: { trust: { name: 'works', authorityId: new Uint8Array(32).fill(8) }, versions: [Uint8Array.of(1, 2, 3)] },
};
const sealed = await sealBackup(source, 'correct horse');

test('what was sealed comes back whole, and does not show', async () => {
  const opened = await openBackup(sealed, 'correct horse', 'a file');
  assert.ok(opened.privateKey.equals(privateKey));
  assert.deepEqual(opened.chain, source.chain);
  assert.deepEqual(opened.trust, trust);
  assert.deepEqual(opened.roster, source.roster);
  const plain = await openBackup(await sealBackup({ ...source, roster: null }, 'x'), 'x', 'a file');
  assert.equal(plain.roster, null);
  const der = Buffer.from(readPem(sealed, 'it')[0]?.der ?? []);
  for (const secret of [privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32), 'bob', 'ann']) {
    assert.equal(der.indexOf(secret), -1);
  }
  assert.notEqual(await sealBackup(source, 'correct horse'), sealed, 'another salt each time');
});

test('another passphrase opens nothing, and an empty one seals nothing', async () => {
  await refused(
    openBackup(sealed, 'correct hors', 'a file'),
    'passphrase-wrong',
    /^The passphrase does not open a file/,
  );
  await refused(sealBackup(source, ''), 'usage', /must not be empty/);
});

test('a changed byte anywhere is found: nobody adds to a list of trust in a backup', async () => {
  const der = readPem(sealed, 'it')[0]?.der ?? new Uint8Array();
  for (const at of [1, 5, 20, 30, 60, der.length - 1]) {
    const changed = der.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    await assert.rejects(
      openBackup(writePem('SEALWIRE BACKUP', changed), 'correct horse', 'x'),
      (error: { code: string }) => ['malformed', 'passphrase-wrong', 'unsupported'].includes(error.code),
    );
  }
});

test('what is no backup is said to be none', async () => {
  await refused(openBackup('hello', 'x', 'notes.txt'), 'malformed', /^notes.txt is no backup of a home/);
  await refused(openBackup(writePem('SEALWIRE BACKUP', new Uint8Array(9)), 'x', 'y'), 'malformed', /is no backup/);
});
