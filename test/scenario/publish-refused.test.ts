import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectAsync } from 'mqtt';
import { errorOf, Terminals } from '../support/terminals.ts';

const NOWHERE = ['--broker', 'mqtt://127.0.0.1:1'];

test('wrong topics, filters, names and options are told in one sentence before anything is sent', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob', 'notary');
  const [large, exposed] = [join(terminals.directory, 'large'), join(terminals.directory, 'exposed')];
  await writeFile(large, Buffer.alloc(200_000));
  await writeFile(exposed, 'secret\n', { mode: 0o644 });
  const to = ['--to', 'bob'];
  const cases = [
    { args: ['pub', 'plant/+', 'x', ...to], code: 'topic-invalid', exit: 2 },
    { args: ['pub', 'sealwire/1/x', 'x', ...to], code: 'topic-invalid', exit: 2 },
    { args: ['pub', '$SYS/x', 'x', ...to], code: 'topic-invalid', exit: 2 },
    { args: ['pub', 'x'.repeat(257), 'x', ...to], code: 'topic-invalid', exit: 2 },
    { args: ['sub', 'plant/#/x'], code: 'topic-invalid', exit: 2 },
    { args: ['sub', 'plant/a', 'plant+'], code: 'topic-invalid', exit: 2 },
    { args: ['sub'], code: 'usage', exit: 2 },
    { args: ['sub', '#', '--count', '0'], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x'], code: 'roster-missing', exit: 3 },
    { args: ['pub', 'a', ...to], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x', '--line', ...to], code: 'usage', exit: 2 },
    { args: ['pub', 'a', '--line', '--file', large, ...to], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x', '--qos', '3', ...to], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x', '--until', 'read', ...to], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x', '--until', 'logged', ...to], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x', '--wait', 'long', ...to], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x', '--mqtt', '4', ...to], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x', '--cert', large, ...to], code: 'usage', exit: 2 },
    { args: ['sub', 'a', '--key', large], code: 'usage', exit: 2 },
    { args: ['pub', 'a', '--file', large, ...to], code: 'too-large', exit: 1 },
    { args: ['pub', 'a', '--file', '/does/not/exist', ...to], code: 'file-unreadable', exit: 3 },
    { args: ['pub', 'a', '--file', terminals.directory, ...to], code: 'file-unreadable', exit: 3 },
    { args: ['sub', 'a', '--password-file', exposed, '--username', 'ann'], code: 'file-exposed', exit: 3 },
    { args: ['sub', 'a', '--passphrase-file', '/does/not/exist'], code: 'file-unreadable', exit: 3 },
    { args: ['sub', 'a', '--notary', 'nobody'], code: 'identity-unknown', exit: 1 },
    { args: ['sub', 'a', '--ca', join(terminals.home('bob'), 'identity.crt')], code: 'address-invalid', exit: 2 },
    { args: ['sub', 'a', '--broker', 'tcp://127.0.0.1:1883'], code: 'address-invalid', exit: 2 },
    { args: ['sub', 'a', '--broker', 'mqtt://127.0.0.1:99999'], code: 'address-invalid', exit: 2 },
    { args: ['sub', 'a', '--broker', ''], code: 'usage', exit: 2 },
    { args: ['pub', 'a', 'x', ...to], code: 'broker-unreachable', exit: 4 },
    { args: ['sub', 'a'], code: 'broker-unreachable', exit: 4 },
    { args: ['notary', '--listen', 'tcp://127.0.0.1:0'], code: 'broker-unreachable', exit: 4 },
    { args: ['notary', '--listen', 'tcp://127.0.0.1:0', '--filter', 'a+'], code: 'topic-invalid', exit: 2 },
  ];
  for (const { args, code, exit } of cases) {
    const at = args.includes('--broker') ? [] : NOWHERE;
    const ended = await terminals.run('ann', ['--json', ...args, ...at]);
    const error = errorOf(ended);
    assert.deepEqual([error.exit, error.code], [exit, code], `${args.join(' ').slice(0, 200)}: ${ended.stderr}`);
    assert.match(error.message, /^[^\n]*[.!?]$/);
    assert.ok(error.hint, error.message);
    assert.equal(ended.stdout, '');
  }
  const lonely = await terminals.run('notary', ['--json', 'notary', '--listen', 'tcp://127.0.0.1:0', '--ca', large]);
  assert.deepEqual([errorOf(lonely).exit, errorOf(lonely).code], [2, 'usage']);
});

test('passwords in a URL are shown to nobody', async (t) => {
  const terminals = await Terminals.open(t, 'ann');
  const at = ['--broker', 'mqtt://ann:secret@127.0.0.1:1'];
  for (const json of [[], ['--json']]) {
    const ended = await terminals.run('ann', [...json, 'sub', 'a', ...at]);
    assert.equal(ended.code, 4);
    assert.match(ended.stderr, /mqtt:\/\/127\.0\.0\.1:1/);
    assert.doesNotMatch(ended.stderr, /secret/);
  }
});

test('a reader that is not there: the exit code says so, or it is waited for', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob', 'eve');
  const url = await terminals.broker(['--embedded']);
  const broker = ['--broker', url];
  const pub = (text: string, ...args: string[]) =>
    terminals.run('ann', ['--json', 'pub', 'hall', text, '--to', 'bob', ...broker, ...args]);
  const offline = errorOf(await pub('is anybody there?'));
  assert.deepEqual([offline.exit, offline.code], [4, 'peer-offline']);
  assert.match(offline.message, /^bob is not there: SHA256:/);
  assert.ok(offline.hint);

  // To somebody without a name here there is no way at all, and no need to wait to find out.
  const unknown = errorOf(await terminals.run('ann', ['--json', 'pub', 'hall', 'x', '--to', 'mallory', ...broker]));
  assert.deepEqual([unknown.exit, unknown.code], [1, 'identity-unknown']);

  const spy = await connectAsync(url, { reconnectPeriod: 0 }, false);
  t.after(() => spy.endAsync(true));
  await spy.subscribeAsync('sealwire/#');
  const asked = new Promise((resolve) => spy.once('message', resolve));
  const waiting = pub('I have waited', '--wait');
  await asked;
  const bob = await terminals.subscriber('bob', '#', '--count', '1', ...broker);
  assert.equal((await bob.json())['text'], 'I have waited');
  assert.equal((await waiting).code, 0);
  assert.equal(await bob.ended(), 0, bob.stderr);

  const again = new Promise((resolve) => spy.once('message', resolve));
  const eve = terminals.start('eve', 'pub', 'hall', 'x', '--to', 'bob', '--wait', '5m', ...broker);
  await again;
  assert.equal(await eve.interrupt(), 130);
  assert.equal(eve.stderr, '');
});

test('a line that is too long ends the lines, after those before it have arrived', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob');
  const broker = ['--broker', await terminals.broker(['--embedded'])];
  const bob = await terminals.subscriber('bob', '#', ...broker);
  const ended = await terminals.run('ann', ['--json', 'pub', 'log', '--line', '--to', 'bob', ...broker], {
    input: `one\n${'x'.repeat(140_000)}\n`,
  });
  assert.deepEqual([errorOf(ended).exit, errorOf(ended).code], [1, 'too-large']);
  assert.equal(JSON.parse(ended.stdout).n, 0);
  assert.equal((await bob.json())['text'], 'one');
  assert.equal(await bob.interrupt(), 0, bob.stderr);
});

test('Ctrl-C ends lines as the end of input does: what was typed has arrived', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob');
  const broker = ['--broker', await terminals.broker(['--embedded'])];
  const bob = await terminals.subscriber('bob', '#', ...broker);
  const ann = terminals.start('ann', 'pub', 'log', '--line', '--to', 'bob', ...broker);
  ann.type('one');
  assert.equal((await bob.json())['text'], 'one');
  assert.equal(await ann.interrupt(), 0, ann.stderr);
  assert.equal(await bob.interrupt(), 0, bob.stderr);
  assert.equal(ann.stderr + bob.stderr, '');
});
