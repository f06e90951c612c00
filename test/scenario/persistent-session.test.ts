import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { BROKERS, Terminals } from '../support/terminals.ts';

for (const { kind, flags, skip } of BROKERS) {
  test(`at ${kind}, what is published while a reader is away waits for it there, and opens without a handshake`, {
    skip,
  }, async (t) => {
    const terminals = await Terminals.open(t, 'ann', 'bob');
    const broker = ['--broker', await terminals.broker(flags)];
    const run = async (name: string, ...args: readonly string[]): Promise<string> => {
      const ended = await terminals.run(name, args);
      assert.equal(ended.code, 0, ended.stderr);
      return ended.stdout;
    };
    const idOf = async (name: string): Promise<string> => JSON.parse(await run(name, 'id', '--json')).id as string;
    const file = join(terminals.directory, 'roster');
    await run('ann', 'roster', 'init', 'works');
    await run('ann', 'roster', 'add', 'bob', await idOf('bob'));
    await run('ann', 'roster', 'channel', 'plant', '--topic', 'plant/#', '--writer', 'ann', '--reader', 'bob');
    await run('ann', 'roster', 'publish', '--out', file);
    await run('bob', 'roster', 'join', file, '--authority', await idOf('ann'));

    const away = await terminals.subscriber('bob', 'plant/#', '--keep', '1h', ...broker);
    const ann = terminals.start('ann', 'pub', 'plant/load', '--line', '--json', ...broker);
    ann.type('before');
    assert.equal((await away.json())['text'], 'before');
    assert.equal(await away.interrupt(), 0);
    for (const line of ['one', 'two', 'three']) ann.type(line);
    for (let count = 0; count < 4; count++) await ann.json();

    const back = await terminals.subscriber('bob', 'plant/#', '--keep', '1h', ...broker);
    for (const line of ['one', 'two', 'three']) assert.equal((await back.json())['text'], line);
    assert.equal(await back.interrupt(), 0);
    assert.equal(back.stderr, '');
    assert.equal(await ann.interrupt(), 0);
  });
}
