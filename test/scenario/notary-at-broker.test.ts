import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numbered } from '../support/messages.ts';
import { BROKERS, Terminals } from '../support/terminals.ts';

type Json = Record<string, unknown>;

/** What `ledger show` prints. */
async function shown(terminals: Terminals): Promise<Json[]> {
  const { code, stdout, stderr } = await terminals.run('notary', ['--json', 'ledger', 'show']);
  assert.equal(code, 0, stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function nameOf(identity: unknown): unknown {
  return (identity as Json)['name'];
}

for (const { kind, flags, skip } of BROKERS) {
  test(`at ${kind}, a notary writes down who published where and when, and who confirmed it`, { skip }, async (t) => {
    const terminals = await Terminals.open(t, 'ann', 'bob', 'eve', 'notary');
    const url = await terminals.broker(flags);
    const notary = await terminals.notary(url);
    const [at, logged] = [
      ['--broker', url],
      ['--broker', url, '--notary', 'notary'],
    ];
    const bob = await terminals.subscriber('bob', 'plant/#', ...logged);
    // Eve reads, but has no notary: nobody writes down what she signs.
    const eve = await terminals.subscriber('eve', 'plant/#', ...at);
    const pub = async (topic: string, to: string): Promise<Json> => {
      const until = ['--until', 'logged', ...logged];
      const { code, stdout, stderr } = await terminals.run('ann', ['--json', 'pub', topic, 'x', '--to', to, ...until]);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout);
    };
    const told = [await pub('plant/1', 'bob'), await pub('plant/2', 'eve')];
    assert.deepEqual([(await bob.json())['topic'], (await eve.json())['topic']], ['plant/1', 'plant/2']);
    for (const command of [bob, eve]) assert.equal(await command.interrupt(), 0, command.stderr);
    assert.equal(await notary.interrupt(), 0);

    const messages = (await shown(terminals)).filter((entry) => entry['kind'] === 'message');
    assert.deepEqual(
      messages.map(({ topic, sender, status, confirmedBy }) => [
        topic,
        nameOf(sender),
        status,
        (confirmedBy as unknown[]).map(nameOf),
      ]),
      [
        ['plant/1', 'ann', 'confirmed', ['bob']],
        ['plant/2', 'ann', 'logged', []],
      ],
    );
    assert.deepEqual(
      messages.map(({ entry }) => entry),
      told.map(({ entry }) => entry),
    );
    for (const { time, hmac } of messages) {
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 600_000, String(time));
      assert.match(String(hmac), /^[0-9a-f]{64}$/);
    }
    const text = (await terminals.run('notary', ['ledger', 'show'])).stdout;
    const [first, second] = messages;
    assert.ok(text.includes(`Z  ann  plant/1  ${first?.['hmac']}  confirmed by bob\n`), text);
    assert.ok(text.includes(`Z  ann  plant/2  ${second?.['hmac']}  logged\n`), text);
    const verified = await terminals.run('notary', ['ledger', 'verify']);
    assert.match(verified.stdout, /^valid /, verified.stderr);
    assert.match(notary.stderr, /A label comes from an identity that the notary has not admitted\. \[sender-unknown\]/);
  });
}

test('a notary that listens to a part of the topics logs the rest when it is handed in', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob', 'notary');
  const url = await terminals.broker(['--embedded']);
  const notary = await terminals.notary(url, '--filter', 'office/#', 'hall');
  const logged = ['--broker', url, '--notary', 'notary'];
  const bob = await terminals.subscriber('bob', '#', ...logged);
  const args = ['--json', 'pub', 'plant/1', 'x', '--to', 'bob', '--until', 'logged', ...logged];
  const { code, stdout, stderr } = await terminals.run('ann', args);
  assert.equal(code, 0, stderr);
  assert.equal(await bob.interrupt(), 0, bob.stderr);
  assert.equal(await notary.interrupt(), 0, notary.stderr);
  const message = (await shown(terminals)).find((entry) => entry['kind'] === 'message');
  assert.deepEqual(
    [message?.['entry'], message?.['topic'], message?.['status']],
    [JSON.parse(stdout).entry, 'plant/1', 'confirmed'],
  );
});

test('without the notary there is no logging, and nothing is sent as if there were', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob', 'notary');
  const url = await terminals.broker(['--embedded']);
  const bob = await terminals.subscriber('bob', '#', '--broker', url);
  const args = ['pub', 'plant/1', 'x', '--to', 'bob', '--broker', url, '--notary', 'notary'];
  const ended = await terminals.run('ann', args);
  assert.equal(ended.code, 4);
  assert.match(ended.stderr, /The notary notary is not there: .*\[peer-offline\]\n.*`sealwire notary/);
  assert.equal(await bob.interrupt(), 0);
  await assert.rejects(bob.line());
});

test('lines that are typed fast share entries in the ledger', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob', 'notary');
  const lines = numbered(2000);
  const url = await terminals.broker(['--embedded']);
  const notary = await terminals.notary(url);
  const bob = await terminals.subscriber('bob', 'log', '--broker', url, '--count', '2000');
  const args = ['pub', 'log', '--line', '--to', 'bob', '--broker', url, '--notary', 'notary'];
  const ended = await terminals.run('ann', args, { input: `${lines.join('\n')}\n` });
  assert.equal(ended.code, 0, ended.stderr);
  for (const text of lines) assert.equal((await bob.json())['text'], text);
  assert.equal(await bob.ended(), 0, bob.stderr);
  assert.equal(await notary.interrupt(), 0, notary.stderr);
  const messages = (await shown(terminals)).filter((entry) => entry['kind'] === 'message');
  assert.ok(messages.length > 0 && messages.length <= 200, `${messages.length} entries`);
});
