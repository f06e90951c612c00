import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { DAY_MS, NOW_MS } from '../../test/support/identities.ts';
import { refused } from '../../test/support/refused.ts';
import { identityId } from '../core/identity/id.ts';
import { addPin, EMPTY_TRUST } from '../core/identity/trust.ts';
import { selfSign } from './certificates.ts';
import { nodeCrypto, nodeVerifier } from './crypto.ts';
import { createHome, type Home, homeAt, loadIdentity, openHome, readTrust, writeTrust } from './home.ts';
import { generateKey } from './key-files.ts';

const POSIX = process.platform === 'win32' ? 'file modes are POSIX' : false;
const AS_ROOT = process.getuid?.() === 0 ? 'root may read everything' : POSIX;

async function make(directory: string, passphrase?: string): Promise<Home> {
  const privateKey = generateKey();
  const chain = [await selfSign(privateKey, { name: 'boiler', nowMs: NOW_MS, validDays: 30 })];
  return createHome(directory, { privateKey, chain, ...(passphrase === undefined ? {} : { passphrase }) });
}

test('a home keeps an identity, for its owner only', async (context) => {
  const directory = join(await temporaryDirectory(context), 'deep', 'home');
  await make(directory);
  const home = await openHome(directory);
  const identity = await loadIdentity(home, { nowMs: NOW_MS });
  assert.equal(identity.name, 'boiler');
  assert.deepEqual(identity.id, identityId(nodeCrypto, identity.publicKey));
  const message = Uint8Array.of(1, 2, 3);
  const signature = await identity.signer.sign(message);
  assert.ok(await nodeVerifier(identity.publicKey).verify(message, signature));
  assert.deepEqual(await readTrust(home), EMPTY_TRUST);
  assert.deepEqual((await readdir(directory)).sort(), ['identity.crt', 'identity.key', 'trust.json']);
});

test('directory and files are closed to others, whatever the directory was', { skip: POSIX }, async (context) => {
  const directory = await temporaryDirectory(context);
  await chmod(directory, 0o755);
  const home = await make(directory);
  await writeTrust(home, addPin(EMPTY_TRUST, { name: 'x', id: new Uint8Array(32) }));
  const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
  assert.equal(await mode(directory), 0o700);
  for (const file of await readdir(directory)) assert.equal(await mode(join(directory, file)), 0o600, file);
});

test('a passphrase protects the key', async (context) => {
  const home = await make(join(await temporaryDirectory(context), 'home'), 'open sesame');
  await refused(loadIdentity(home), 'passphrase-required', /identity\.key is protected/);
  await refused(loadIdentity(home, { passphrase: 'no' }), 'passphrase-wrong', /does not open/);
  assert.equal((await loadIdentity(home, { passphrase: 'open sesame' })).name, 'boiler');
});

test('an existing home is never overwritten, nor anything else', async (context) => {
  const parent = await temporaryDirectory(context);
  const home = await make(join(parent, 'home'));
  const before = await readFile(home.keyFile, 'utf8');
  await refused(make(home.directory), 'home-exists', /is a home already; nothing was changed/);
  assert.equal(await readFile(home.keyFile, 'utf8'), before);

  const other = join(parent, 'other');
  await mkdir(other);
  await writeFile(join(other, 'letter.txt'), 'dear');
  await refused(make(other), 'home-exists', /holds letter\.txt/);
  assert.deepEqual(await readdir(other), ['letter.txt']);
  await refused(make(join(other, 'letter.txt')), 'home-exists', /is a file/);
  await refused(make(join(other, 'letter.txt', 'home')), 'home-exists', /is a file/);
});

test('of many who make one home at once, one wins and its files belong together', async (context) => {
  const directory = join(await temporaryDirectory(context), 'home');
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => make(directory)));
  const won = results.filter(({ status }) => status === 'fulfilled');
  assert.equal(won.length, 1);
  assert.equal((await loadIdentity(await openHome(directory))).name, 'boiler');
  assert.deepEqual((await readdir(directory)).sort(), ['identity.crt', 'identity.key', 'trust.json']);
});

test('what is no home is named as such', async (context) => {
  const parent = await temporaryDirectory(context);
  await refused(openHome(join(parent, 'nowhere')), 'home-missing', /There is no home at/);
  await writeFile(join(parent, 'file'), '');
  await refused(openHome(join(parent, 'file')), 'home-missing', /is not a directory/);
  await refused(openHome(join(parent, 'file', 'home')), 'home-missing', /There is no home at/);
  await refused(openHome(parent), 'home-missing', /not a home: there is no file .*identity\.key/);
  const home = await make(join(parent, 'home'));
  await rm(home.certificateFile);
  await refused(openHome(home.directory), 'home-missing', /no file .*identity\.crt/);
});

test('a key file that others may read is refused, with what to do', { skip: POSIX }, async (context) => {
  const home = await make(join(await temporaryDirectory(context), 'home'));
  for (const mode of [0o640, 0o604, 0o660]) {
    await chmod(home.keyFile, mode);
    await refused(loadIdentity(home), 'file-exposed', new RegExp(`mode 0${mode.toString(8)}`));
  }
  await chmod(home.keyFile, 0o400);
  assert.equal((await loadIdentity(home)).name, 'boiler');
  await chmod(home.directory, 0o770);
  await refused(openHome(home.directory), 'file-exposed', /Other users may change/);
});

test('a key file that its owner may not read is named', { skip: AS_ROOT }, async (context) => {
  const home = await make(join(await temporaryDirectory(context), 'home'));
  await chmod(home.keyFile, 0);
  await refused(loadIdentity(home), 'file-unreadable', /identity\.key cannot be read: this user may not/);
});

test('key and certificate must belong together', async (context) => {
  const parent = await temporaryDirectory(context);
  const [one, two] = [await make(join(parent, 'one')), await make(join(parent, 'two'))];
  await writeFile(one.certificateFile, await readFile(two.certificateFile));
  await refused(loadIdentity(one), 'key-invalid', /do not belong together/);
  const chain = [await selfSign(generateKey(), { name: 'x', nowMs: NOW_MS })];
  const mixed = createHome(join(parent, 'three'), { privateKey: generateKey(), chain });
  await refused(mixed, 'key-invalid', /do not belong together/);
  await refused(openHome(join(parent, 'three')), 'home-missing', /There is no home/);
});

test('damaged files are named', async (context) => {
  const home = await make(join(await temporaryDirectory(context), 'home'));
  await writeFile(home.trustFile, '{');
  await refused(readTrust(home), 'malformed', /list of trust .* not JSON/);
  await writeFile(home.trustFile, Uint8Array.of(0xff));
  await refused(readTrust(home), 'malformed', /trust\.json is not UTF-8/);
  await writeFile(home.certificateFile, 'nothing');
  await refused(loadIdentity(home), 'malformed', /identity\.crt holds no certificate/);
  await writeFile(home.certificateFile, 'x'.repeat(5_000_000));
  await refused(loadIdentity(home), 'too-large', /over the bound/);
  await rm(home.certificateFile);
  await mkdir(home.certificateFile);
  await refused(loadIdentity(home), 'file-unreadable', /it is a directory/);
  await refused(readTrust(homeAt(`${home.directory}-gone`)), 'file-unreadable', /no such file/);
});

test("an identity's own dates can be checked when it is loaded", async (context) => {
  const home = await make(join(await temporaryDirectory(context), 'home'));
  const at = (nowMs: number): Promise<unknown> => loadIdentity(home, { nowMs });
  await refused(at(NOW_MS + 31 * DAY_MS), 'certificate-expired', /of boiler expired/);
  await refused(at(NOW_MS - DAY_MS), 'certificate-not-yet-valid', /of boiler is valid from/);
  await refused(at(0), 'clock-unset', /clock is not set/);
});
