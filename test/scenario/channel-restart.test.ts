import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RunningCommand } from '../support/running.ts';
import { BROKERS, Terminals } from '../support/terminals.ts';

type Json = Record<string, unknown>;

/** A broker, a notary, and Ann, who writes for Bob and Carol. */
interface Day {
  readonly parts: readonly RunningCommand[];
  readonly ann: RunningCommand;
  readonly readers: readonly RunningCommand[];
}

/** All of them begin, in the homes that there are. */
async function begin(terminals: Terminals, flags: readonly string[], until: string): Promise<Day> {
  const broker = terminals.start('notary', '--json', 'broker', '--listen', 'mqtt://127.0.0.1:0', ...flags);
  const [url = ''] = (await broker.json())['addresses'] as string[];
  const notary = await terminals.notary(url);
  const logged = ['--broker', url, '--notary', 'notary'];
  const readers = await Promise.all(['bob', 'carol'].map((name) => terminals.subscriber(name, 'plant/#', ...logged)));
  const ann = terminals.start('ann', '--json', 'pub', 'plant/load', '--line', '--until', until, ...logged);
  return { ann, readers, parts: [ann, ...readers, notary, broker] };
}

/** Ann says it; gives what she is told of it, once both have it. */
async function say({ ann, readers }: Day, text: string): Promise<Json> {
  ann.type(text);
  for (const reader of readers) {
    const { event, text: heard } = await reader.json();
    assert.deepEqual([event, heard], ['message', text], reader.stderr);
  }
  return await ann.json();
}

/** Cut off, all at one blow; else the broker goes last, as in a plant that is shut down. */
async function end({ parts }: Day, isCutOff: boolean): Promise<void> {
  if (isCutOff) for (const part of parts) part.signal('SIGKILL');
  for (const part of parts) await (isCutOff ? part.ended() : part.interrupt());
}

for (const { kind, flags, skip } of BROKERS) {
  const isCutOff = kind === 'Mosquitto';
  const how = isCutOff ? 'is cut off' : 'leaves';
  test(`at ${kind}, everyone ${how} and restarts at once: what was confirmed is there, and the next message arrives everywhere`, {
    skip,
  }, async (t) => {
    const terminals = await Terminals.open(t, 'ann', 'bob', 'carol', 'notary');
    const file = join(terminals.directory, 'works.roster');
    await terminals.lines('ann', 'roster', 'init', 'works');
    for (const name of ['bob', 'carol']) await terminals.lines('ann', 'roster', 'add', name, terminals.id(name));
    const rights = ['--writer', 'ann', '--reader', 'bob', 'carol', '--confirm', 'all'];
    await terminals.lines('ann', 'roster', 'channel', 'plant', '--topic', 'plant/#', ...rights);
    await terminals.lines('ann', 'roster', 'publish', '--out', file);
    for (const name of ['bob', 'carol', 'notary']) {
      await terminals.lines(name, 'roster', 'join', file, '--authority', terminals.id('ann'));
    }

    const before = await begin(terminals, flags, 'logged');
    const entries = [await say(before, 'one'), await say(before, 'two')].map(({ entry }) => entry);
    await end(before, isCutOff);

    const after = await begin(terminals, flags, 'delivered');
    for (const text of ['three', 'four']) assert.equal((await say(after, text))['event'], 'delivered');
    for (const part of after.parts) assert.equal(await part.interrupt(), 0, part.stderr);
    const shown = await terminals.lines('notary', 'ledger', 'show');
    const messages = shown.filter((entry) => entry['kind'] === 'message' && entry['topic'] === 'plant/load');
    assert.equal(messages.length, 4);
    assert.deepEqual(
      messages.slice(0, 2).map(({ entry }) => entry),
      entries,
    );
    assert.match((await terminals.run('notary', ['ledger', 'verify'])).stdout, /^valid /);
  });
}
