import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { openPeer } from '../../src/apps/open-peer.ts';
import { loadIdentity, openHome } from '../../src/node/home.ts';
import { ROOT, runNode, runSealwire } from '../support/child.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { RunningCommand } from '../support/running.ts';

const PASSPHRASE = 'planted-passphrase-7c1f';
const PLAINTEXT = 'planted-plaintext-99e2';

/** Every form in which bytes may show. */
function formsOf(bytes: Buffer): string[] {
  const list = `${[...bytes.subarray(0, 12)]}`;
  return [
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('latin1'),
    list,
    list.replaceAll(',', ', '),
    bytes
      .subarray(0, 12)
      .toString('hex')
      .replace(/..(?=.)/g, '$& '),
  ];
}

/** A private key: its scalar, and a line of the file that keeps it. */
async function formsOfKey(file: string): Promise<string[]> {
  const pem = await readFile(file, 'utf8');
  const line = pem.split('\n').find((one) => one.length === 64) ?? assert.fail(`${file} is no PEM`);
  if (pem.includes('ENCRYPTED')) return [line];
  const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' });
  return [line, ...formsOf(Buffer.from(d, 'base64url'))];
}

async function filesUnder(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.map(({ parentPath, name }) => join(parentPath, name));
}

function assertHolds(where: string, text: string, secrets: readonly string[]): void {
  // Bytes that are printed one by one are set in columns.
  const inOneLine = text.replaceAll(/\s+/g, ' ');
  for (const secret of secrets) {
    assert.ok(!text.includes(secret) && !inOneLine.includes(secret), `${where} shows a secret`);
  }
}

/** Two devices that were enrolled by tokens, and everything that was said meanwhile. */
async function site(t: TestContext) {
  // What the system would give to everybody.
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  const directory = await temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  const said: string[] = [];
  const run = async (name: string, args: readonly string[], input = ''): Promise<number | null> => {
    const { code, stdout, stderr } = await runSealwire(['--home', at(name), ...args], { input });
    said.push(stdout, stderr);
    return code;
  };
  const up = new RunningCommand([
    ...['--home', at('up'), '--json', 'up', '--embedded', '--listen', 'mqtt://127.0.0.1:0'],
    ...['--token', 'sensor', '--token', 'operator'],
  ]);
  t.after(() => up[Symbol.asyncDispose]());
  const [url = ''] = (await up.json())['addresses'] as string[];
  const tokens = [String((await up.json())['token']), String((await up.json())['token'])];
  for (const [i, name] of ['sensor', 'operator'].entries()) {
    const args = ['enrol', '-', '--name', name, '--broker', url];
    assert.equal(await run(name, args, `${tokens[i]}\n`), 0, said.join(''));
  }
  return { directory, at, url, up, tokens, said, run };
}

test('secrets: keys, tokens, passphrases and messages show in no output, argument, environment, report or open file', async (t) => {
  const { directory, at, url, up, tokens, said, run } = await site(t);
  const reader = new RunningCommand(['--home', at('operator'), '--json', 'sub', '#', '--broker', url]);
  t.after(() => reader[Symbol.asyncDispose]());
  await reader.json();
  const to = ['--to', 'operator', '--broker', url];
  assert.equal(await run('sensor', ['pub', 'plant/load', '--line', ...to], `${PLAINTEXT}\n`), 0, said.join(''));
  assert.equal((await reader.json())['text'], PLAINTEXT);

  // Keys behind a passphrase, backups, and commands that fail with secrets in their hands.
  const passphrase = at('passphrase');
  await writeFile(passphrase, `${PASSPHRASE}\n`, { mode: 0o600 });
  await writeFile(at('wrong'), 'another\n', { mode: 0o600 });
  const flag = ['--passphrase-file', passphrase];
  assert.equal(await run('closed', ['init', 'closed', ...flag]), 0);
  const [cut, backup] = [at('cut.key'), at('sensor.backup')];
  await writeFile(cut, (await readFile(at('sensor/identity.key'), 'utf8')).slice(0, -60), { mode: 0o600 });
  const ways: readonly (readonly [string, readonly string[], string?])[] = [
    ['sensor', ['id', 'export', backup, '--backup-passphrase-file', passphrase]],
    ['sensor', ['pub', 'plant/load', PLAINTEXT, '--to', 'nobody', '--broker', url]],
    ['sensor', ['pub', 'plant/load', '--line', '--to', 'operator', '--broker', 'mqtt://127.0.0.1:1'], `${PLAINTEXT}\n`],
    ['closed', ['pub', 'a', PLAINTEXT, ...to, '--passphrase-file', at('wrong')]],
    ['broken', ['init', 'broken', '--import-key', cut]],
    ['broken', ['init', 'broken', '--import-key', at('closed/identity.key'), '--passphrase-file', at('wrong')]],
    ['late', ['enrol', '-', '--name', 'sensor', '--broker', url], `${tokens[0]}\n`],
  ];
  for (const [name, args, input] of ways) await run(name, args, input);

  const files = await filesUnder(directory);
  const keyFiles = files.filter((file) => /\.key$/.test(file) && file !== cut);
  assert.ok(keyFiles.length >= 4, `${keyFiles}`);
  const keys = (await Promise.all(keyFiles.map(formsOfKey))).flat();
  const tokenForms = tokens.flatMap((token) => [
    token.slice(-30),
    ...formsOf(Buffer.from(token.slice(-44), 'base64url').subarray(1, 17)),
  ]);

  for (const text of said)
    assertHolds('standard output or error', text, [...keys, ...tokenForms, PASSPHRASE, PLAINTEXT]);
  // It gives tokens on standard output alone, and a reader its messages.
  assertHolds('standard error', up.stderr + reader.stderr, [...keys, ...tokenForms, PLAINTEXT]);
  for (const { pid } of [up, reader]) {
    if (!existsSync('/proc/self/environ')) break;
    for (const name of ['cmdline', 'environ']) {
      assertHolds(name, await readFile(`/proc/${pid}/${name}`, 'latin1'), [
        ...keys,
        ...tokenForms,
        PASSPHRASE,
        PLAINTEXT,
      ]);
    }
  }

  for (const file of files) {
    const found = await stat(file);
    assert.equal(found.mode & 0o077, 0, `${file} is open to others`);
    if (found.isDirectory()) continue;
    const content = await readFile(file, 'latin1');
    if (!keyFiles.includes(file) && file !== cut) assertHolds(file, content, keys);
    if (file !== passphrase) assertHolds(file, content, [PASSPHRASE]);
    assertHolds(file, content, tokenForms);
  }
  assert.ok(
    files.some((file) => file.endsWith('-wal')),
    'what SQLite keeps beside its files was looked at too',
  );
});

test('secrets: whoever prints what the library gives, or an error, or a diagnostic report, prints no key', async (t) => {
  const { at, url } = await site(t);
  const keys = await formsOfKey(at('sensor/identity.key'));
  const scalar = createPrivateKey(await readFile(at('sensor/identity.key'), 'utf8')).export({ format: 'jwk' }).d ?? '';
  for (const shown of [
    { d: scalar },
    { d: Buffer.from(scalar, 'base64url') },
    { d: new Uint8Array(Buffer.from(scalar, 'base64url')) },
  ])
    assert.throws(() => assertHolds('what does show it', inspect(shown, { maxArrayLength: null }), keys));
  await using peer = await openPeer({ home: at('sensor') });
  await using bus = await peer.join(url);
  const identity = await loadIdentity(await openHome(at('sensor')));
  const failure = await bus.publish('a', new TextEncoder().encode(PLAINTEXT), { to: 'nobody' }).catch((error) => error);
  assert.equal(failure.code, 'identity-unknown');
  for (const [what, value] of Object.entries({ peer, bus, identity, failure })) {
    const deep = inspect(value, { depth: 20, showHidden: true, maxArrayLength: null, maxStringLength: null });
    assertHolds(`inspect(${what})`, deep, [...keys, PLAINTEXT]);
    if (what !== 'peer' && what !== 'bus')
      assertHolds(`JSON of ${what}`, JSON.stringify(value) ?? '', [...keys, PLAINTEXT]);
  }
  const script = `
    import { openPeer } from '${new URL('../../src/apps/open-peer.ts', import.meta.url).href}';
    const peer = await openPeer({ home: ${JSON.stringify(at('sensor'))} });
    process.stdout.write(JSON.stringify(process.report.getReport()));
    await peer.close();`;
  const { code, stdout, stderr } = await runNode(['--input-type=module', '-e', script], { cwd: ROOT });
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes('javascriptStack'));
  assertHolds('the diagnostic report', stdout, keys);
});
