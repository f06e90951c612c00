import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { versionsOf } from '../../test/support/rosters.ts';
import { identityOf } from '../../test/support/session-pair.ts';
import { refusal } from '../../test/support/units.ts';
import { ROSTER_BYTES_MAX } from '../core/limits.ts';
import type { SignedRoster } from '../core/roster/roster.ts';
import { RosterKeeper } from '../roles/roster-keeper.ts';
import { nodeCrypto, nodeVerifier } from './crypto.ts';
import { type Home, homeAt } from './home.ts';
import { RosterFiles, readRosterTrust, writeRosterTrust } from './roster-files.ts';

async function emptyHome(context: TestContext): Promise<{ readonly home: Home; readonly directory: string }> {
  const home = homeAt(await temporaryDirectory(context));
  return { home, directory: join(home.directory, 'roster') };
}

async function keeperIn(home: Home): Promise<RosterKeeper> {
  const { id } = await identityOf('alice');
  const about = { crypto: nodeCrypto, verifierOf: nodeVerifier, authorityId: id, name: 'works' };
  return RosterKeeper.open({ ...about, store: new RosterFiles(home) });
}

async function versions(count: number): Promise<SignedRoster[]> {
  return versionsOf(
    await identityOf('alice'),
    Array.from({ length: count }, () => ({})),
  );
}

test('versions are files of their own, for the owner’s eyes only, and there again later', async (context) => {
  const { home, directory } = await emptyHome(context);
  const files = new RosterFiles(home);
  assert.deepEqual(await files.load(), []);
  const all = await versions(12);
  for (const { version, bytes } of all.toReversed()) await files.keep(version, bytes);
  const names = (await readdir(directory)).toSorted();
  assert.deepEqual([names.length, names[0], names.at(-1)], [12, '000001.cose', '000012.cose']);
  assert.deepEqual(await readFile(join(directory, '000003.cose')), Buffer.from(all[2]?.bytes ?? []));
  assert.deepEqual(
    await new RosterFiles(home).load(),
    all.map(({ bytes }) => bytes),
  );
  if (process.platform === 'win32') return;
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  for (const name of names) assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600);
});

test('the order is that of numbers, and what is no version is left alone', async (context) => {
  const { home, directory } = await emptyHome(context);
  const files = new RosterFiles(home);
  for (const version of [1_000_000, 999_999, 2]) await files.keep(version, Uint8Array.of(version & 255));
  for (const name of ['3.cose', '000004.cose.0badcafe.tmp', 'authority.json', '000005.txt']) {
    await writeFile(join(directory, name), 'x');
  }
  assert.deepEqual(
    (await files.load()).map(([byte]) => byte),
    [2, 999_999 & 255, 1_000_000 & 255],
  );
});

test('a keeper goes on from its files, and not where one of them is missing, exchanged, cut or too large', async (context) => {
  const { home, directory } = await emptyHome(context);
  const all = await versions(3);
  const keeper = await keeperIn(home);
  for (const { bytes } of all) await keeper.offer(bytes);
  assert.equal((await keeperIn(home)).current?.version, 3);
  const second = join(directory, '000002.cose');
  const genuine = await readFile(second);
  const faults = [
    [() => rm(second), 'roster-invalid'],
    [() => writeFile(second, all[0]?.bytes ?? ''), 'roster-invalid'],
    [() => writeFile(second, genuine.subarray(0, 100)), 'malformed'],
    [() => writeFile(second, genuine.with(genuine.length - 1, (genuine.at(-1) ?? 0) ^ 1)), 'signature-invalid'],
    [() => writeFile(second, new Uint8Array(ROSTER_BYTES_MAX + 1)), 'too-large'],
  ] as const;
  for (const [damage, code] of faults) {
    await damage();
    assert.equal(await refusal(keeperIn(home)), code);
  }
  await writeFile(second, genuine);
  assert.equal((await keeperIn(home)).current?.version, 3);
});

test('what cannot be read is not taken for nothing', async (context) => {
  const { home, directory } = await emptyHome(context);
  await writeFile(directory, 'a file in its place');
  assert.equal(await refusal(new RosterFiles(home).load()), 'file-unreadable');
  assert.equal(await refusal(readRosterTrust(home)), 'file-unreadable');
});

test('what cannot be written is told, and the keeper stays where it was', async (context) => {
  const { home, directory } = await emptyHome(context);
  const [first, second] = await versions(2);
  assert.ok(first && second);
  const keeper = await keeperIn(home);
  await keeper.offer(first.bytes);
  await rm(directory, { recursive: true });
  await writeFile(directory, 'a file in its place');
  assert.equal(await refusal(keeper.offer(second.bytes)), 'file-unwritable');
  assert.equal(
    await refusal(writeRosterTrust(home, { name: 'works', authorityId: first.signerId })),
    'file-unwritable',
  );
  assert.equal(keeper.current?.version, 1);
  await rm(directory);
  assert.equal(await keeper.offer(second.bytes), 'accepted');
});

test('two commands of one home may take in the same version, and not two of one number', async (context) => {
  const { home } = await emptyHome(context);
  const files = new RosterFiles(home);
  const [first, second] = await versions(2);
  assert.ok(first && second);
  await files.keep(1, first.bytes);
  await new RosterFiles(home).keep(1, first.bytes);
  assert.equal(await refusal(new RosterFiles(home).keep(1, second.bytes)), 'file-unwritable');
  assert.deepEqual(await files.load(), [first.bytes]);
  await files.clear();
  assert.deepEqual(await files.load(), []);
});

test('what shows a fork is kept beside the versions: the first that was seen, until the roster is taken anew', async (context) => {
  const { home } = await emptyHome(context);
  const files = new RosterFiles(home);
  const [first, second] = await versions(2);
  assert.ok(first && second);
  await files.keep(1, first.bytes);
  assert.equal(await files.fork(), null);
  for (const { bytes } of [second, first]) await files.keepFork(bytes);
  assert.deepEqual([await files.fork(), await files.load()], [second.bytes, [first.bytes]]);
  await files.clear();
  assert.equal(await files.fork(), null);
});

test('a version that waited for another one is told as well where it cannot be written', async (context) => {
  const { home, directory } = await emptyHome(context);
  const [first, second] = await versions(2);
  assert.ok(first && second);
  const keeper = await keeperIn(home);
  await keeper.offer(second.bytes);
  await mkdir(join(directory, '000002.cose'), { recursive: true });
  assert.equal(await refusal(keeper.offer(first.bytes)), 'file-unwritable');
  assert.equal(keeper.current?.version, 1);
});

test('whose roster a home goes by is kept, and replaced whole', async (context) => {
  const { home } = await emptyHome(context);
  assert.equal(await readRosterTrust(home), undefined);
  for (const [name, number] of [
    ['works', 1],
    ['部', 2],
  ] as const) {
    const trust = { name, authorityId: new Uint8Array(32).fill(number) };
    await writeRosterTrust(home, trust);
    assert.deepEqual(await readRosterTrust(home), trust);
  }
});

for (const text of [
  '',
  '{',
  'null',
  '[]',
  '{"name":"works"}',
  '{"name":7,"authority":"SHA256:x"}',
  '{"name":"a","authority":"x"}',
]) {
  test(`no word on whose roster it is: ${JSON.stringify(text)}`, async (context) => {
    const { home, directory } = await emptyHome(context);
    await mkdir(directory);
    await writeFile(join(directory, 'authority.json'), text);
    assert.equal(await refusal(readRosterTrust(home)), 'malformed');
  });
}
