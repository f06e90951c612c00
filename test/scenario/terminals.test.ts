import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runSealwire } from '../support/child.ts';
import { numbered } from '../support/messages.ts';
import { RunningCommand } from '../support/running.ts';

/** Homes for Ann, Bob and a notary, made and introduced by the command itself, as README's tour does. */
async function makeHomes(directory: string): Promise<Record<'ann' | 'bob' | 'notary', string>> {
  const home = (name: string): string => join(directory, name);
  const names = ['ann', 'bob', 'notary'];
  for (const name of names) assert.equal((await runSealwire(['--home', home(name), 'init', name])).code, 0);
  for (const own of names) {
    for (const other of names.filter((name) => name !== own)) {
      const added = await runSealwire(['--home', home(own), 'trust', 'add', other, join(home(other), 'identity.crt')]);
      assert.equal(added.code, 0, added.stderr);
    }
  }
  return { ann: home('ann'), bob: home('bob'), notary: home('notary') };
}

let directory = '';
let homes: Awaited<ReturnType<typeof makeHomes>>;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealwire-test-'));
  homes = await makeHomes(directory);
});

after(() => rm(directory, { recursive: true, force: true }));

for (const scheme of ['tcp', 'tls']) {
  test(`over ${scheme}, lines typed by Ann come out at Bob's, his at hers, and the notary logs them`, async () => {
    const anywhere = `${scheme}://127.0.0.1:0`;
    await using notary = new RunningCommand(['--home', homes.notary, '--json', 'notary', '--listen', anywhere]);
    const at = ['--notary', String((await notary.json())['address'])];
    await using bob = new RunningCommand(['--home', homes.bob, '--json', 'listen', anywhere, ...at]);
    const address = String((await bob.json())['address']);
    await using ann = new RunningCommand(['--home', homes.ann, 'connect', address, '--expect', 'bob', ...at]);
    ann.type('Grüße');
    const message = await bob.json();
    assert.deepEqual([message['event'], message['n'], message['text']], ['message', 0, 'Grüße']);
    assert.equal((message['from'] as Record<string, unknown>)['name'], 'ann');
    bob.type('and back');
    assert.equal(await ann.line(), 'and back');
    ann.endInput();
    assert.equal(await ann.ended(), 0, ann.stderr);
    assert.equal(await bob.interrupt(), 0, bob.stderr);
    assert.equal(await notary.interrupt(), 0, notary.stderr);
    assert.match(ann.stderr, /In session with bob \(SHA256:/);
  });
}

test('a file of lines arrives whole and in order, many lines to a frame', async () => {
  const lines = numbered(3000, 'line');
  await using notary = new RunningCommand([
    '--home',
    homes.notary,
    '--json',
    'notary',
    '--listen',
    'tcp://127.0.0.1:0',
  ]);
  const before = await notary.json();
  const at = ['--notary', String(before['address'])];
  await using bob = new RunningCommand(['--home', homes.bob, '--json', 'listen', 'tcp://127.0.0.1:0']);
  const address = String((await bob.json())['address']);
  const ann = runSealwire(['--home', homes.ann, 'connect', address, '--expect', 'bob', ...at], {
    input: `${lines.join('\n')}\n`,
  });
  for (const line of lines) assert.equal((await bob.json())['text'], line);
  const { code, stderr } = await ann;
  assert.equal(code, 0, stderr);
  assert.equal(await bob.interrupt(), 0, bob.stderr);
  assert.equal(await notary.interrupt(), 0, notary.stderr);
  const from = ['--from', String(before['treeSize'])];
  const { stdout } = await runSealwire(['--home', homes.notary, '--json', 'ledger', 'show', ...from]);
  const messages = stdout.split('\n').filter((line) => line.includes('"kind":"message"'));
  assert.ok(messages.length > 0 && messages.length <= 300, `${messages.length} frames`);
});

test('whoever answers under another name than expected gets nothing, and the exit code says so', async () => {
  await using bob = new RunningCommand(['--home', homes.bob, '--json', 'listen', 'tcp://127.0.0.1:0']);
  const address = String((await bob.json())['address']);
  const ann = await runSealwire(['--home', homes.ann, '--json', 'connect', address, '--expect', 'notary'], {
    input: 'for the notary only\n',
  });
  assert.equal(ann.code, 1);
  assert.equal(JSON.parse(ann.stderr).error.code, 'identity-mismatch');
  assert.equal(await bob.interrupt(), 0);
  assert.match(bob.stderr, /\[handshake-failed\]/);
});

test('bad addresses, absent peers and absent homes are told in one sentence, without a stack', async () => {
  const cases = [
    { args: ['connect', 'http://127.0.0.1:1', '--expect', 'bob'], code: 'address-invalid', exit: 2 },
    { args: ['connect', 'tcp://127.0.0.1', '--expect', 'bob'], code: 'address-invalid', exit: 2 },
    { args: ['connect', 'tcp://127.0.0.1:99999', '--expect', 'bob'], code: 'address-invalid', exit: 2 },
    { args: ['connect', 'tcp://127.0.0.1:1', '--expect', 'bob'], code: 'peer-unreachable', exit: 4 },
    { args: ['listen', 'tcp://127.0.0.1:0', '--notary', 'tcp://127.0.0.1:1'], code: 'peer-unreachable', exit: 4 },
    { args: ['listen', 'tcp://203.0.113.1:0'], code: 'address-invalid', exit: 2 },
    { args: ['listen', 'tcp://127.0.0.1:0', '--passphrase-file', '/does/not/exist'], code: 'file-unreadable', exit: 3 },
    { args: ['notary', '--listen', 'nowhere'], code: 'address-invalid', exit: 2 },
    { args: ['notary', '--origin', 'x'.repeat(300)], code: 'usage', exit: 2 },
    { args: ['notary', '--ledger', homes.bob], code: 'file-unreadable', exit: 3 },
    { args: ['connect', 'tcp://127.0.0.1:1'], code: 'usage', exit: 2 },
  ];
  for (const { args, code, exit } of cases) {
    const ended = await runSealwire(['--home', homes.ann, '--json', ...args]);
    assert.equal(ended.code, exit, `${args.join(' ')}: ${ended.stderr}`);
    const { error } = JSON.parse(ended.stderr);
    assert.equal(error.code, code, ended.stderr);
    assert.match(error.message, /^[^\n]*[.!?]$/);
    assert.equal(ended.stdout, '');
  }
  const homeless = await runSealwire(['--home', join(homes.ann, 'none'), 'listen', 'tcp://127.0.0.1:0']);
  assert.equal(homeless.code, 3);
  assert.match(homeless.stderr, /\[home-missing\]\n {2}Make one with/);
});
