import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { numbered } from '../support/messages.ts';
import type { RunningCommand } from '../support/running.ts';
import { BROKERS, Terminals } from '../support/terminals.ts';

/** What the next message says, without what differs each time. */
async function heard(subscriber: RunningCommand): Promise<unknown[]> {
  const { event, from, topic, n, text, base64, contentType } = await subscriber.json();
  assert.equal(event, 'message', subscriber.stderr);
  return [(from as { name: string }).name, topic, n, contentType, text ?? base64];
}

const TEXT = 'text/plain;charset=utf-8';

for (const { kind, flags, skip } of BROKERS) {
  test(`over ${kind}, what Ann publishes comes out at Bob's: a message, lines, files`, { skip }, async (t) => {
    const terminals = await Terminals.open(t, 'ann', 'bob');
    const broker = ['--broker', await terminals.broker(flags)];
    const bob = await terminals.subscriber('bob', 'plant/+/temperature', 'log/#', ...broker);
    const pub = async (args: readonly string[], input = ''): Promise<string> => {
      const ended = await terminals.run('ann', ['pub', '--to', 'bob', ...broker, ...args], { input });
      assert.deepEqual([ended.code, ended.stderr], [0, ''], args.join(' '));
      return ended.stdout;
    };

    assert.equal(await pub(['plant/1/temperature', '22.5 °C']), '');
    assert.deepEqual(await heard(bob), ['ann', 'plant/1/temperature', 0, TEXT, '22.5 °C']);

    const told = (await pub(['log/lines', '--line', '--json'], 'one\ntwo\r\n\nGrüße')).trim().split('\n');
    assert.deepEqual(
      told.map((line) => JSON.parse(line)),
      [0, 1, 2, 3].map((n) => ({ event: 'delivered', topic: 'log/lines', to: 'bob', n, seq: 0, entry: null })),
    );
    for (const [n, line] of ['one', 'two', '', 'Grüße'].entries()) {
      assert.deepEqual(await heard(bob), ['ann', 'log/lines', n, TEXT, line]);
    }

    const [text, bytes] = [join(terminals.directory, 'text'), join(terminals.directory, 'bytes')];
    await writeFile(text, 'two\nlines\n');
    await writeFile(bytes, Buffer.from('ff00fe', 'hex'));
    await pub(['log/files', '--file', text]);
    assert.deepEqual(await heard(bob), ['ann', 'log/files', 0, TEXT, 'two\nlines\n']);
    await pub(['log/files', '--file', bytes]);
    assert.deepEqual(await heard(bob), ['ann', 'log/files', 0, 42, '/wD+']);

    assert.equal(await bob.interrupt(), 0);
    assert.equal(bob.stderr, '');
  });

  test(`over ${kind}, thousands of lines come in their order, at every quality of service`, { skip }, async (t) => {
    const terminals = await Terminals.open(t, 'ann', 'bob');
    const broker = ['--broker', await terminals.broker(flags)];
    const lines = numbered(3000, 'line');
    for (const qos of ['0', '1', '2']) {
      const at = ['--qos', qos, ...broker];
      const bob = terminals.start('bob', 'sub', 'log', '--count', '3000', ...at);
      assert.match(await bob.note(), /^bob listens to log at mqtt:/);
      const input = `${lines.join('\n')}\n`;
      const ended = await terminals.run('ann', ['pub', 'log', '--line', '--to', 'bob', ...at], { input });
      assert.deepEqual([ended.code, ended.stderr], [0, '']);
      for (const line of lines) assert.equal(await bob.line(), `log ann: ${line}`);
      // It has seen its 3,000 and ends by itself.
      assert.equal(await bob.ended(), 0, bob.stderr);
    }
  });
}

test('what is no text is not shown as if it were, and nothing moves the cursor', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob');
  const broker = ['--broker', await terminals.broker(['--embedded'])];
  const bob = terminals.start('bob', 'sub', '#', '--count', '2', ...broker);
  await bob.note();
  const file = join(terminals.directory, 'bytes');
  await writeFile(file, Buffer.from('ff00fe', 'hex'));
  const args = ['pub', 'a', '--to', 'bob', ...broker];
  assert.equal((await terminals.run('ann', [...args, '--file', file])).code, 0);
  assert.equal((await terminals.run('ann', [...args, 'two\nlines\u001b[2J'])).code, 0);
  assert.equal(await bob.line(), 'a ann: 3 bytes of content type 42, which are no text');
  assert.equal(await bob.line(), 'a ann: two\\u{a}lines\\u{1b}[2J');
  assert.equal(await bob.ended(), 0, bob.stderr);
});

test('what is sealed for Bob on a topic that he did not ask for is told, not printed', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob');
  const broker = ['--broker', await terminals.broker(['--embedded'])];
  const bob = await terminals.subscriber('bob', 'plant/#', ...broker);
  const ended = await terminals.run('ann', ['pub', 'office/1', 'psst', '--to', 'bob', ...broker]);
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, /bob missed frame 0; it was sent again/);
  assert.equal(await bob.interrupt(), 0);
  assert.equal(bob.stderr, 'ann sent a message on office/1, which is not subscribed to.\n');
  await assert.rejects(bob.line());
});

test('one subscriber hears several people, each under the name it trusts them by', async (t) => {
  const terminals = await Terminals.open(t, 'ann', 'bob', 'eve');
  const broker = ['--broker', await terminals.broker(['--embedded'])];
  const bob = await terminals.subscriber('bob', '#', ...broker, '--count', '2');
  const pub = (name: string) => terminals.run(name, ['pub', 'hall', `I am ${name}`, '--to', 'bob', ...broker]);
  assert.deepEqual([(await pub('ann')).code, (await pub('eve')).code], [0, 0]);
  assert.deepEqual((await heard(bob)).at(-1), 'I am ann');
  assert.deepEqual((await heard(bob)).at(-1), 'I am eve');
  assert.equal(await bob.ended(), 0, bob.stderr);
});
