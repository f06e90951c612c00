import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RunningCommand } from '../support/running.ts';
import { BROKERS, Terminals } from '../support/terminals.ts';

interface Works {
  readonly terminals: Terminals;
  /** `--broker` and where it is. */
  readonly broker: readonly string[];
  /** The boss changes the roster and gives it out. */
  change(...args: readonly string[]): Promise<void>;
}

/** Boss, the authority, with Ann, Bob and Carol as members who know each other from the roster alone. */
async function works(
  t: TestContext,
  { readers, flags = ['--embedded'] }: { readonly readers: readonly string[]; readonly flags?: readonly string[] },
): Promise<Works> {
  const names = ['ann', 'bob', 'carol'];
  const terminals = await Terminals.strangers(t, 'boss', ...names);
  const broker = ['--broker', await terminals.broker(flags)];
  await terminals.lines('boss', 'roster', 'init', 'works');
  for (const name of names) await terminals.lines('boss', 'roster', 'add', name, terminals.id(name));
  const rights = ['--topic', 'plant/#', '--writer', 'ann', '--reader', ...readers];
  await terminals.lines('boss', 'roster', 'channel', 'plant', ...rights);
  const file = join(terminals.directory, 'works.roster');
  await terminals.lines('boss', 'roster', 'publish', '--out', file, ...broker);
  for (const name of names) await terminals.lines(name, 'roster', 'join', file, '--authority', terminals.id('boss'));
  const change = async (...args: readonly string[]): Promise<void> => {
    await terminals.lines('boss', 'roster', ...args);
    await terminals.lines('boss', 'roster', 'publish', ...broker);
  };
  return { terminals, broker, change };
}

async function heard(subscriber: RunningCommand): Promise<unknown[]> {
  const { event, from, topic, channel, retained, text } = await subscriber.json();
  assert.equal(event, 'message', subscriber.stderr);
  return [(from as { name: string }).name, topic, channel, retained, text];
}

for (const { kind, flags, skip } of BROKERS) {
  test(`over ${kind}: one pub without --to, and all readers of the channel have it`, { skip }, async (t) => {
    const { terminals, broker } = await works(t, { readers: ['bob', 'carol'], flags });
    const readers = await Promise.all(
      ['bob', 'carol'].map((name) => terminals.subscriber(name, 'plant/+/load', ...broker)),
    );
    const told = await terminals.lines('ann', 'pub', 'plant/line1/load', '87 %', ...broker);
    assert.deepEqual(told, [{ event: 'delivered', topic: 'plant/line1/load', to: null, n: 0, seq: 0, entry: null }]);
    for (const reader of readers) {
      assert.deepEqual(await heard(reader), ['ann', 'plant/line1/load', 'plant', false, '87 %']);
      assert.equal(await reader.interrupt(), 0);
      assert.equal(reader.stderr, '');
    }
  });

  test(`over ${kind}: readers come and go while all are at work`, { skip }, async (t) => {
    const { terminals, broker, change } = await works(t, { readers: ['bob'], flags });
    const [bob, carol] = await Promise.all(
      ['bob', 'carol'].map((name) => terminals.subscriber(name, 'plant/#', ...broker)),
    );
    assert.ok(bob && carol);
    const ann = terminals.start('ann', 'pub', 'plant/load', '--line', ...broker);
    const say = async (text: string, ...readers: readonly RunningCommand[]): Promise<void> => {
      ann.type(text);
      for (const reader of readers) {
        assert.deepEqual(await heard(reader), ['ann', 'plant/load', 'plant', false, text]);
      }
    };
    const atVersion = async (version: number): Promise<void> => {
      const words = new RegExp(`The roster works is at version ${version} now\\.`);
      await Promise.all([ann, bob, carol].map((command) => command.noted(words)));
    };
    await say('for bob', bob);
    await change('channel', 'plant', '--reader', 'bob', 'carol');
    await atVersion(6);
    await say('for both', bob, carol);
    await change('channel', 'plant', '--reader', 'carol');
    await atVersion(7);
    await say('for carol', carol);
    // What Bob has next came after that, and is for him alone.
    const told = await terminals.run('boss', ['pub', 'plant/load', 'you are out', '--to', 'bob', ...broker]);
    assert.equal(told.code, 0, told.stderr);
    assert.deepEqual(await heard(bob), ['boss', 'plant/load', undefined, undefined, 'you are out']);
    await change('remove', 'carol');
    await atVersion(8);
    ann.type('for nobody');
    ann.endInput();
    assert.equal(await ann.ended(), 0, ann.stderr);
  });
}

test('what is retained opens for a reader that comes later, as long as its writer is there', async (t) => {
  const { terminals, broker } = await works(t, { readers: ['bob', 'carol'] });
  const bob = await terminals.subscriber('bob', 'plant/#', ...broker);
  const ann = terminals.start('ann', 'pub', 'plant/load', '--line', '--retain', ...broker);
  for (const text of ['old', 'last']) {
    ann.type(text);
    assert.deepEqual(await heard(bob), ['ann', 'plant/load', 'plant', false, text]);
  }
  const carol = await terminals.subscriber('carol', 'plant/#', ...broker);
  const [from, topic, channel, , text] = await heard(carol);
  assert.deepEqual([from, topic, channel, text], ['ann', 'plant/load', 'plant', 'last']);
  ann.type('next');
  for (const reader of [bob, carol]) {
    assert.deepEqual(await heard(reader), ['ann', 'plant/load', 'plant', false, 'next']);
  }
});

test('pub without --to says what it lacks', async (t) => {
  const { terminals, broker } = await works(t, { readers: ['bob'] });
  const lone = join(terminals.directory, 'lone');
  await terminals.run('ann', ['--home', lone, 'init', 'lone']);
  for (const [args, code, exit, words, hint] of [
    [['--home', lone, 'pub', 'plant/load', 'x'], 'roster-missing', 3, /who the readers of a topic are/, /roster join/],
    [['pub', 'office/door', 'x'], 'channel-unknown', 2, /No channel has the topic "office\/door"/, /roster channel/],
    [['pub', 'plant/load', 'x', '--to', 'bob', '--retain'], 'usage', 2, /one reader alone/, /Leave out --to/],
    [['pub', 'plant/load', 'x', '--to', 'nobody'], 'identity-unknown', 1, /"nobody"/, /trust/],
  ] as const) {
    const error = await terminals.error('ann', ...args, ...broker);
    assert.deepEqual([error.code, error.exit], [code, exit], error.message);
    assert.match(error.message, words);
    assert.match(error.hint ?? '', hint);
  }
  const { code, exit, message } = await terminals.error('bob', 'pub', 'plant/load', 'x', ...broker);
  assert.deepEqual([code, exit], ['not-allowed', 1]);
  assert.equal(message, 'The roster does not let bob write in the channel plant.');
});

test('a name that the home trusts as somebody else than the roster does is loud', async (t) => {
  const { terminals, broker } = await works(t, { readers: ['bob'] });
  await terminals.lines('ann', 'trust', 'add', 'bob', terminals.id('carol'));
  const { code, exit, message, hint } = await terminals.error(
    'ann',
    'pub',
    'plant/load',
    'x',
    '--to',
    'bob',
    ...broker,
  );
  assert.deepEqual([code, exit], ['key-changed', 6], message);
  assert.match(hint ?? '', /trust remove 'bob'/);
});
