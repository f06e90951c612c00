import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { NOW_MS } from '../../test/support/identities.ts';
import { refused } from '../../test/support/refused.ts';
import { parseId } from '../core/identity/id.ts';
import { readCertificates } from '../node/certificates.ts';
import { loadIdentity, openHome } from '../node/home.ts';
import { initHome, openIdentity, showIdentity, trustAdd, trustList } from './identity.ts';
import { exportHome, importHome, replaceKey } from './identity-keeping.ts';
import { beginRosterAs, ownRoster } from './roster/authority.ts';

const nowMs = NOW_MS;

interface Place {
  readonly at: (name: string) => string;
  readonly secret: (name: string, text: string) => Promise<string>;
}

async function place(context: TestContext): Promise<Place> {
  const directory = await temporaryDirectory(context);
  const at = (name: string): string => join(directory, name);
  const secret = async (name: string, text: string): Promise<string> => {
    await writeFile(at(name), text, { mode: 0o600 });
    return at(name);
  };
  return { at, secret };
}

test('a home is exported, and what lasts of it comes back elsewhere', async (context) => {
  const { at, secret } = await place(context);
  const own = await secret('own', 'opens the key\n');
  const backupPassphraseFile = await secret('backup', 'opens the backup\n');
  const before = await initHome({ directory: at('ann'), name: 'ann', nowMs, passphraseFile: own });
  const bob = `SHA256:${'A'.repeat(43)}`;
  await trustAdd(await openHome(at('ann')), 'bob', bob);
  await writeFile(at('ann/receipts.db'), 'state that must not travel', { mode: 0o600 });

  const file = at('ann.backup');
  await refused(exportHome(at('ann'), { file, backupPassphraseFile }), 'passphrase-required', /identity\.key/);
  await exportHome(at('ann'), { file, backupPassphraseFile, passphraseFile: own });
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const again = exportHome(at('ann'), { file, backupPassphraseFile, passphraseFile: own });
  await refused(again, 'file-unwritable', /something stands there already/);

  const restored = await importHome(at('new'), { file, backupPassphraseFile, nowMs });
  assert.deepEqual([restored.name, restored.id, restored.passphrase], ['ann', before.id, false]);
  assert.deepEqual(await trustList(await openHome(at('new'))), await trustList(await openHome(at('ann'))));
  assert.deepEqual((await readdir(at('new'))).toSorted(), ['identity.crt', 'identity.key', 'trust.json']);
  const options = { file, backupPassphraseFile, passphraseFile: own, nowMs };
  assert.equal((await importHome(at('protected'), options)).passphrase, true);
  await refused(importHome(at('new'), options), 'home-exists', /a home already/);
  await refused(
    importHome(at('other'), { ...options, backupPassphraseFile: own }),
    'passphrase-wrong',
    /does not open/,
  );
  assert.deepEqual((await readdir(at(''))).includes('other'), false, 'nothing is made of what does not open');
});

test('replace gives the same name another key, keeps trust and the old certificate', async (context) => {
  const { at, secret } = await place(context);
  const passphraseFile = await secret('own', 'a passphrase that was lost\n');
  const first = await initHome({ directory: at('ann'), name: 'ann', nowMs, passphraseFile });
  const home = await openHome(at('ann'));
  await trustAdd(home, 'bob', `SHA256:${'A'.repeat(43)}`);
  await writeFile(at('ann/channels.db'), 'ratchets of the old key', { mode: 0o600 });
  const { before, now } = await replaceKey(at('ann'), { nowMs });
  assert.ok(!(await readdir(at('ann'))).includes('channels.db'));
  assert.deepEqual([before.name, before.id, now.name], ['ann', first.id, 'ann']);
  assert.notEqual(now.id, first.id);
  assert.deepEqual((await loadIdentity(home, { nowMs })).id, parseId(now.id));
  assert.equal((await trustList(home)).length, 1);
  const [kept] = readCertificates(await readFile(before.certificateFile), 'it');
  assert.equal(kept?.commonName, 'ann');

  // A cut between the two files leaves a home that does not open, and that the same command puts right.
  const third = await replaceKey(at('ann'), { nowMs });
  await writeFile(home.certificateFile, await readFile(before.certificateFile));
  await refused(loadIdentity(home), 'key-invalid', /do not belong together/);
  const fourth = await replaceKey(at('ann'), { nowMs });
  assert.equal(fourth.before.certificateFile, before.certificateFile);
  assert.notEqual(fourth.now.id, third.now.id);
  assert.equal((await showIdentity(home, nowMs)).id, fourth.now.id);
});

test('the roster goes along, and whoever signs one keeps the key', async (context) => {
  const { at, secret } = await place(context);
  const backupPassphraseFile = await secret('backup', 'opens the backup\n');
  await initHome({ directory: at('ann'), name: 'ann', nowMs: Date.now() });
  const begun = await beginRosterAs(await openIdentity(at('ann'), { nowMs: Date.now() }), at('ann'), 'works');
  const file = at('ann.backup');
  await exportHome(at('ann'), { file, backupPassphraseFile });
  await importHome(at('new'), { file, backupPassphraseFile, nowMs });
  assert.deepEqual((await ownRoster(at('new'))).now.hash, begun.hash);
  await refused(replaceKey(at('new'), { nowMs }), 'usage', /ann is an authority/);
});

test('an authority issues for the new key, and is not replaced itself', async (context) => {
  const { at } = await place(context);
  await initHome({ directory: at('plant'), name: 'plant', nowMs, ca: true });
  await initHome({ directory: at('ann'), name: 'ann', nowMs });
  const { now } = await replaceKey(at('ann'), { nowMs, issuer: at('plant') });
  assert.deepEqual([now.certificate.issuer, now.certificate.selfSigned], ['plant', false]);
  assert.deepEqual(
    (await trustList(await openHome(at('ann')))).map(({ name, kind }) => [name, kind]),
    [['plant', 'authority']],
  );
  await refused(replaceKey(at('plant'), { nowMs }), 'usage', /plant is an authority/);
});
