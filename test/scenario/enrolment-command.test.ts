import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connectAsync } from 'mqtt';
import { issueCertificate, writeCertificates } from '../../src/node/certificates.ts';
import { loadIdentity, openHome } from '../../src/node/home.ts';
import { runSealwire } from '../support/child.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { DAY_MS } from '../support/identities.ts';
import { RunningCommand } from '../support/running.ts';
import { BROKERS, errorOf } from '../support/terminals.ts';

interface Site {
  readonly at: (name: string) => string;
  /** Starts `sealwire up`; gives where the broker is. */
  up(
    ...args: string[]
  ): Promise<{ readonly command: RunningCommand; readonly url: string; readonly listening: Listening }>;
  run(name: string, ...args: string[]): ReturnType<typeof runSealwire>;
}

interface Listening {
  readonly addresses: readonly string[];
  readonly authority: string;
  readonly roster: { readonly name: string; readonly version: number };
}

async function site(context: TestContext): Promise<Site> {
  const directory = await temporaryDirectory(context);
  const at = (name: string): string => join(directory, name);
  return {
    at,
    async up(...args) {
      const command = new RunningCommand(['--home', at('up'), '--json', 'up', ...args]);
      context.after(() => command[Symbol.asyncDispose]());
      const listening = (await command.json()) as unknown as Listening;
      return { command, listening, url: listening.addresses[0] ?? '' };
    },
    run: (name, ...args) => runSealwire(['--home', at(name), '--json', ...args]),
  };
}

const ANYWHERE = ['--listen', 'mqtt://127.0.0.1:0'];

for (const { kind, flags, skip } of BROKERS) {
  test(`a device enrols with a token: ${kind}`, { skip }, async (t) => {
    const { up, run, at } = await site(t);
    const { command, url, listening } = await up(...flags, ...ANYWHERE, '--token', 'sensor-7', '--token', 'oper*');
    const [first, second] = [await command.json(), await command.json()];
    assert.deepEqual([first['name'], second['name'], first['channels']], ['sensor-7', 'oper*', ['all']]);

    // Somebody at the broker watches all of it.
    const heard: string[] = [];
    const spy = await connectAsync(url, { reconnectPeriod: 0 }, false);
    t.after(() => spy.endAsync(true));
    spy.on('message', (topic, payload) => heard.push(topic + payload.toString('hex')));
    await spy.subscribeAsync('#');

    const broker = ['--broker', url];
    const operator = await run('operator', 'enrol', String(second['token']), '--name', 'operator', ...broker);
    assert.equal(operator.code, 0, operator.stderr);
    const sensor = await run('sensor', 'enrol', String(first['token']), '--name', 'sensor-7', ...broker);
    assert.equal(sensor.code, 0, sensor.stderr);
    const view = JSON.parse(sensor.stdout);
    assert.deepEqual([view.name, view.certificate.issuer, view.certificate.selfSigned], ['sensor-7', 'home', false]);
    assert.deepEqual(view.roster, { name: 'home', version: listening.roster.version + 2, channels: ['all'] });
    assert.equal((await stat(at('sensor/identity.key'))).mode & 0o777, 0o600);
    const secret = Buffer.from(String(first['token']).slice(-44), 'base64url').subarray(1, 17).toString('hex');
    assert.ok(heard.length >= 4);
    assert.ok(!heard.some((one) => one.includes(secret) || one.includes(view.id)), 'the token does not travel');

    // The two know each other by the authority's word, and find each other by the roster.
    const reader = new RunningCommand([
      '--home',
      at('operator'),
      '--json',
      'sub',
      'plant/#',
      '--count',
      '1',
      ...broker,
    ]);
    t.after(() => reader[Symbol.asyncDispose]());
    assert.equal((await reader.json())['event'], 'subscribed');
    const sent = await run('sensor', 'pub', 'plant/line1', '22.5', '--to', 'operator', ...broker);
    assert.equal(sent.code, 0, sent.stderr);
    const { from, text } = await reader.json();
    assert.deepEqual([(from as { name?: string }).name ?? from, text], ['sensor-7', '22.5']);
    assert.equal(await reader.ended(), 0, reader.stderr);
    assert.equal(await command.interrupt(), 0, command.stderr);
  });
}

test('tokens work once, expire and survive a restart of what runs them', async (t) => {
  const { up, run, at } = await site(t);
  const one = await up('--embedded', ...ANYWHERE, '--token', 'a', '--token', 'b');
  const [tokenA, tokenB] = [String((await one.command.json())['token']), String((await one.command.json())['token'])];
  assert.equal((await run('a', 'enrol', tokenA, '--name', 'a', '--broker', one.url)).code, 0);
  assert.equal(await one.command.interrupt(), 0, one.command.stderr);

  // Made while nothing runs, and one that nobody can use in time.
  const made = await run('up', 'token', 'c', '--expires', '1h');
  const late = await run('up', 'token', 'late', '--expires', '1ms');
  assert.equal(made.code, 0, made.stderr);
  const files = await readFile(at('up/authority/tokens.db'));
  assert.equal((await stat(at('up/authority/tokens.db'))).mode & 0o777, 0o600);
  assert.ok(!files.includes(tokenB.slice(-30)));

  const { command, url, listening } = await up('--embedded', ...ANYWHERE);
  assert.deepEqual([listening.authority, listening.roster.version], [one.listening.authority, 3]);
  const broker = ['--broker', url];
  const again = errorOf(await run('other', 'enrol', tokenA, '--name', 'a', ...broker));
  assert.deepEqual([again.exit, again.code], [1, 'token-invalid']);
  // Whoever has it gets the same once more, as if the answer had been lost.
  const before = await readFile(at('a/identity.crt'), 'utf8');
  assert.equal((await run('a', 'enrol', tokenA, ...broker)).code, 0);
  assert.equal(await readFile(at('a/identity.crt'), 'utf8'), before);
  assert.equal((await run('b', 'enrol', tokenB, '--name', 'b', ...broker)).code, 0);
  assert.equal((await run('c', 'enrol', JSON.parse(made.stdout).token, '--name', 'c', ...broker)).code, 0);
  const expired = errorOf(await run('late', 'enrol', JSON.parse(late.stdout).token, '--name', 'late', ...broker));
  assert.deepEqual([expired.exit, expired.code], [1, 'token-invalid']);
  assert.match(expired.message, /expired on 20/);
  assert.equal(await command.interrupt(), 0, command.stderr);
});

test('what cannot be enrolled is told in one sentence, and nothing is taken over', async (t) => {
  const { up, run, at } = await site(t);
  const { url, command } = await up('--embedded', ...ANYWHERE, '--token', 'a', '--token', 'x', '--token', 'other');
  const [a, x, other] = [await command.json(), await command.json(), await command.json()].map((one) =>
    String(one['token']),
  );
  const broker = ['--broker', url];
  const cut = errorOf(await run('a', 'enrol', String(a).slice(0, -1), '--name', 'a', ...broker));
  assert.deepEqual([cut.exit, cut.code], [1, 'token-invalid']);
  const nameless = errorOf(await run('a', 'enrol', String(a), ...broker));
  assert.deepEqual([nameless.exit, nameless.code], [2, 'usage']);
  const wrong = errorOf(await run('b', 'enrol', String(a), '--name', 'b', ...broker));
  assert.deepEqual([wrong.exit, wrong.code], [1, 'enrolment-refused']);
  const nowhere = errorOf(await run('a', 'enrol', String(a), '--name', 'a', '--broker', 'mqtt://127.0.0.1:1'));
  assert.deepEqual([nowhere.exit, nowhere.code], [4, 'broker-unreachable']);
  assert.equal((await run('a', 'enrol', String(a), ...broker)).code, 0, 'the home and its key are there by now');
  const named = errorOf(await run('a', 'enrol', String(a), '--name', 'z', ...broker));
  assert.deepEqual([named.exit, named.code], [2, 'usage']);

  // Another authority's token: this home goes by its roster for good.
  const elsewhere = await site(t);
  const foreign = await elsewhere.up('--embedded', ...ANYWHERE, '--name', 'works', '--token', 'a');
  const token = String((await foreign.command.json())['token']);
  const before = await readFile(at('a/identity.crt'), 'utf8');
  const stranger = errorOf(await run('a', 'enrol', token, '--broker', foreign.url));
  assert.deepEqual([stranger.exit, stranger.code], [2, 'usage']);
  assert.equal(await readFile(at('a/identity.crt'), 'utf8'), before);
  const silent = errorOf(await run('o', 'enrol', token, '--name', 'o', '--wait', '1500ms', ...broker));
  assert.deepEqual([silent.exit, silent.code], [4, 'timeout']);

  const channel = errorOf(await run('up', 'token', 'q', '--channel', 'nowhere'));
  assert.deepEqual([channel.exit, channel.code], [2, 'channel-unknown']);
  const nobody = errorOf(await run('nobody', 'token', 'q'));
  assert.deepEqual([nobody.exit, nobody.code], [3, 'home-missing']);
  assert.ok(x !== other);
});

test('a device is lost: its name gets another key, and the old one counts no more', async (t) => {
  const { up, run, at } = await site(t);
  const { url, command } = await up('--embedded', ...ANYWHERE, '--token', 'a', '--token', 'a');
  const [first, second] = [String((await command.json())['token']), String((await command.json())['token'])];
  const broker = ['--broker', url];
  assert.equal((await run('a', 'enrol', first, '--name', 'a', ...broker)).code, 0);
  const replaced = JSON.parse((await run('a', 'id', 'replace')).stdout);
  // With the old key still in the roster nobody gets in by a token alone.
  const refused = errorOf(await run('a', 'enrol', second, ...broker));
  assert.deepEqual([refused.exit, refused.code], [1, 'enrolment-refused']);
  const add = await run('up/authority', 'roster', 'add', 'a', replaced.now.id, '--replace');
  assert.equal(add.code, 0, add.stderr);
  const again = await run('a', 'enrol', second, ...broker);
  assert.equal(again.code, 0, again.stderr);
  assert.equal(JSON.parse(again.stdout).certificate.issuer, 'home');
  const roster = JSON.parse((await run('a', 'roster', 'show')).stdout);
  assert.equal(roster.revocations.length, 1);
  assert.ok((await readFile(replaced.before.certificateFile, 'utf8')).includes('BEGIN CERTIFICATE'));
  assert.ok(replaced.before.certificateFile.startsWith(at('a')));
});

test('a certificate is renewed in time by whoever is at the broker, while it works', async (t) => {
  const { up, run, at } = await site(t);
  const { url, command } = await up('--embedded', ...ANYWHERE, '--token', 'a', '--days', '30');
  const broker = ['--broker', url];
  const enrolled = await run('a', 'enrol', String((await command.json())['token']), '--name', 'a', ...broker);
  assert.equal(enrolled.code, 0, enrolled.stderr);

  // Its certificate is put back by one for the same key that has little time left.
  const authority = await loadIdentity(await openHome(at('up/authority')));
  const home = await openHome(at('a'));
  const { publicKey, name } = await loadIdentity(home);
  const nowMs = Date.now() - 25 * DAY_MS;
  const old = await issueCertificate(authority, publicKey, { name, nowMs, validDays: 30 });
  await writeFile(home.certificateFile, writeCertificates(old.map(({ der }) => der)));

  const peer = new RunningCommand(['--home', at('a'), '--json', 'sub', '#', ...broker]);
  t.after(() => peer[Symbol.asyncDispose]());
  await peer.json();
  assert.match(await peer.note(), /^This identity has a new certificate, valid until 20\d\d-/);
  assert.equal(await peer.interrupt(), 0, peer.stderr);
  const { chain } = await loadIdentity(home, { nowMs: Date.now() });
  assert.ok((chain[0]?.notAfterMs ?? 0) > Date.now() + 29 * DAY_MS);
  assert.deepEqual(chain[0]?.publicKey, publicKey);
});
