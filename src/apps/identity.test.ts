import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { DAY_MS, NOW_MS } from '../../test/support/identities.ts';
import { refused } from '../../test/support/refused.ts';
import { anchorsOf } from '../core/identity/trust.ts';
import { validatePath } from '../node/certificates.ts';
import { type Home, loadIdentity, openHome, readTrust } from '../node/home.ts';
import {
  type InitOptions,
  initHome,
  openIdentity,
  showIdentity,
  trustAdd,
  trustList,
  trustRemove,
} from './identity.ts';

const nowMs = NOW_MS;

interface Place {
  readonly at: (name: string) => string;
  readonly init: (name: string, options?: Partial<InitOptions>) => Promise<Home>;
  readonly secret: (text: string) => Promise<string>;
}

async function place(context: TestContext): Promise<Place> {
  const directory = await temporaryDirectory(context);
  const at = (name: string): string => join(directory, name);
  const init = async (name: string, options: Partial<InitOptions> = {}): Promise<Home> => {
    const view = await initHome({ directory: at(name), name, nowMs, ...options });
    return openHome(view.home);
  };
  const secret = async (text: string): Promise<string> => {
    await writeFile(at('passphrase'), text, { mode: 0o600 });
    return at('passphrase');
  };
  return { at, init, secret };
}

test('init makes a self-signed identity and id shows it', async (context) => {
  const { init, at } = await place(context);
  const home = await init('boiler', { validDays: 10 });
  const view = await showIdentity(home, nowMs);
  assert.match(view.id, /^SHA256:.{43}$/);
  assert.deepEqual(view, {
    name: 'boiler',
    id: view.id,
    home: at('boiler'),
    certificateFile: at('boiler/identity.crt'),
    certificate: {
      issuer: 'boiler',
      selfSigned: true,
      ca: false,
      notBefore: '2026-07-01T00:00:00Z',
      notAfter: '2026-07-11T00:00:00Z',
      status: 'valid',
    },
    passphrase: false,
  });
  assert.equal((await showIdentity(home, nowMs + 11 * DAY_MS)).certificate.status, 'expired');
  assert.equal((await showIdentity(home, nowMs - DAY_MS)).certificate.status, 'not-yet-valid');
  await refused(init('boiler'), 'home-exists', /is a home already/);
});

test('whom the same authority vouches for, trust each other at once', async (context) => {
  const { init, at } = await place(context);
  await init('plant', { ca: true });
  await init('hall', { ca: true, issuer: at('plant') });
  const sensor = await init('sensor', { issuer: at('hall') });
  const operator = await init('operator', { issuer: at('hall') });
  const { chain } = await loadIdentity(sensor);
  const anchors = anchorsOf(await readTrust(operator));
  const valid = await validatePath({ chain, anchors, nowMs });
  assert.deepEqual([valid.name, valid.trust], ['sensor', 'authority']);
  assert.deepEqual(
    (await trustList(operator)).map(({ name, kind }) => [name, kind]),
    [['hall', 'authority']],
  );
  assert.equal((await showIdentity(sensor, nowMs)).certificate.issuer, 'hall');
  await refused(init('x', { issuer: at('sensor') }), 'certificate-invalid', /sensor is not an authority/);
  await refused(init('x', { issuer: at('nowhere') }), 'home-missing', /no home at .*nowhere/);
});

test('a passphrase protects the key, and comes from a file that others may not read', async (context) => {
  const { init, at, secret } = await place(context);
  const passphraseFile = await secret('open sesame\nand nothing else\n');
  const home = await init('boiler', { passphraseFile });
  assert.equal((await showIdentity(home, nowMs)).passphrase, true);
  await refused(openIdentity(home.directory, { nowMs }), 'passphrase-required', /protected/);
  assert.equal((await openIdentity(home.directory, { nowMs, passphraseFile })).name, 'boiler');
  assert.equal((await loadIdentity(home, { passphrase: 'open sesame' })).name, 'boiler');
  await secret('open says me\n');
  await refused(openIdentity(home.directory, { nowMs, passphraseFile }), 'passphrase-wrong', /does not open/);
  await secret('\n');
  await refused(init('x', { passphraseFile }), 'usage', /is empty/);
  await secret('x'.repeat(1025));
  await refused(init('x', { passphraseFile }), 'usage', /longer than 1024/);
  if (process.platform !== 'win32') {
    await chmod(passphraseFile, 0o644);
    await refused(init('x', { passphraseFile }), 'file-exposed', /mode 0644/);
  }
  await refused(openHome(at('x')), 'home-missing', /./);
});

test("an authority's key may be protected too", async (context) => {
  const { init, at, secret } = await place(context);
  const issuerPassphraseFile = await secret('authority');
  await init('plant', { ca: true, passphraseFile: issuerPassphraseFile });
  await refused(init('sensor', { issuer: at('plant') }), 'passphrase-required', /plant.identity\.key/);
  await init('sensor', { issuer: at('plant'), issuerPassphraseFile });
});

test('a key and its certificate are imported together, or a key alone', async (context) => {
  const { init, at } = await place(context);
  await init('plant', { ca: true });
  const first = await init('boiler', { issuer: at('plant') });
  const both = { importKey: first.keyFile, importCert: first.certificateFile };
  const second = await init('boiler', { directory: at('second'), ...both });
  assert.deepEqual(await readFile(second.keyFile), await readFile(first.keyFile));
  assert.deepEqual(await readFile(second.certificateFile), await readFile(first.certificateFile));

  const third = await init('kettle', { importKey: first.keyFile });
  const [before, after] = [await showIdentity(first, nowMs), await showIdentity(third, nowMs)];
  assert.deepEqual([after.id, after.name], [before.id, 'kettle']);
  assert.ok(after.certificate.selfSigned);

  const other = await init('other');
  await refused(init('x', both), 'identity-mismatch', /names boiler, not x/);
  const mixed = { importKey: other.keyFile, importCert: first.certificateFile, directory: at('mixed') };
  await refused(init('boiler', mixed), 'key-invalid', /do not belong together/);
  const late = { ...both, directory: at('late'), nowMs: nowMs + 4000 * DAY_MS };
  await refused(init('boiler', late), 'certificate-expired', /of boiler expired/);
  const authority = {
    importKey: at('plant/identity.key'),
    importCert: at('plant/identity.crt'),
    directory: at('again'),
  };
  await refused(init('plant', authority), 'certificate-invalid', /does not allow digital signatures/);
});

test('options that exclude each other are refused before anything is made', async (context) => {
  const { init, at } = await place(context);
  await refused(init('x', { importCert: 'c' }), 'usage', /^--import-cert needs --import-key/);
  await refused(init('x', { importKey: 'k', importCert: 'c', issuer: 'h' }), 'usage', /exclude each other/);
  await refused(init('x', { importKey: 'k', importCert: 'c', ca: true }), 'usage', /exclude each other/);
  await refused(init('x', { issuerPassphraseFile: 'f' }), 'usage', /needs --issuer/);
  await refused(init('x\u001b[2J', { directory: at('x') }), 'malformed', /control/);
  await refused(init('x', { importKey: at('missing') }), 'file-unreadable', /no such file/);
  await refused(openHome(at('x')), 'home-missing', /./);
});

test('trust is added by id or by certificate, listed, and removed', async (context) => {
  const { init, at } = await place(context);
  const [alice, bob] = [await init('alice'), await init('bob')];
  await init('plant', { ca: true });
  const { id } = await showIdentity(bob, nowMs);
  const added = { name: 'bob', id, kind: 'identity', verifiedAt: null };
  assert.deepEqual(await trustAdd(alice, 'bob', id), added);
  assert.deepEqual(await trustAdd(alice, 'bob', bob.certificateFile), added);
  assert.equal((await trustAdd(alice, 'our plant', at('plant/identity.crt'))).kind, 'authority');
  assert.deepEqual(
    (await trustList(alice)).map(({ name, kind }) => `${name}: ${kind}`),
    ['bob: identity', 'our plant: authority'],
  );
  await refused(trustAdd(alice, 'bob', alice.certificateFile), 'key-changed', /bob is trusted as SHA256/);
  await refused(trustAdd(alice, 'x', id, { authority: true }), 'usage', /by its certificate, not by its id/);
  await refused(trustAdd(alice, 'x', bob.certificateFile, { authority: true }), 'certificate-invalid', /not an auth/);
  await refused(trustAdd(alice, 'x', 'SHA256:short'), 'malformed', /is not an id/);
  await refused(trustAdd(alice, 'x', at('missing')), 'file-unreadable', /no such file/);
  await refused(trustAdd(alice, 'x', bob.keyFile), 'malformed', /holds no certificate/);
  await trustRemove(alice, 'bob');
  await refused(trustRemove(alice, 'bob'), 'identity-unknown', /"bob"/);
});
