import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SqlitePeer } from '../../src/node/sqlite-peer.ts';
import { Bus } from '../../src/roles/bus/bus.ts';
import { useAedes } from '../support/brokers.ts';
import { Square, sentence, takeMessages, tell, type Visitor } from '../support/bus.ts';
import { runSealwire } from '../support/child.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { numbered } from '../support/messages.ts';
import { stageFor } from '../support/mqtt-stage.ts';
import { RunningCommand } from '../support/running.ts';
import { peerOf } from '../support/session-pair.ts';
import { turn } from '../support/turns.ts';

/** Homes at one broker, each of which can be closed or left as a crash leaves it, and come back. */
async function homes(t: TestContext) {
  const directory = await temporaryDirectory(t);
  const square = new Square();
  const stores: SqlitePeer[] = [];
  t.after(async () => {
    await square[Symbol.asyncDispose]();
    for (const store of stores) store.close();
  });
  const enter = async (name: string, client = name): Promise<Visitor & { file: string; crash(): Promise<void> }> => {
    const file = join(directory, `${name}.db`);
    const store = new SqlitePeer(file);
    stores.push(store);
    const visitor = await square.enter(name, { delivery: { store, acknowledge: 'manual' } }, client);
    await visitor.bus.subscribe('plant/#');
    return {
      ...visitor,
      file,
      crash: async () => {
        await visitor.vanish();
        // Whatever it still does reaches nobody and nothing.
        store.close();
      },
    };
  };
  return { square, enter };
}

test('what was queued for a reader that is not there arrives when it comes, in order, once', async (t) => {
  const { square, enter } = await homes(t);
  const alice = await enter('alice');
  for (const text of numbered(5)) await tell(alice, 'bob', 'plant/load', text, { until: 'queued' });
  const bob = await enter('bob');
  const messages = await square.elapse(takeMessages(bob, 5));
  assert.deepEqual(
    messages.map((message) => sentence(message)),
    numbered(5).map((text) => `alice plant/load: ${text}`),
  );
  assert.ok(messages.every(({ redelivered, late }) => !redelivered && !late));
});

test('a sender dies with messages that nobody has confirmed: its next process sends them, and none twice', async (t) => {
  const { square, enter } = await homes(t);
  const bob = await enter('bob');
  const alice = await enter('alice');
  await square.elapse(tell(alice, 'bob', 'plant/load', 'message 0', { until: 'delivered' }));
  // Receipts and whatever else goes to her are lost; what she sends arrives.
  square.broker.tamper((published, deliver) => {
    if (published.from === 'alice') deliver(published);
  });
  for (const text of ['message 1', 'message 2']) await tell(alice, 'bob', 'plant/load', text, { until: 'queued' });
  const first = await square.elapse(takeMessages(bob, 3));
  await alice.crash();
  square.broker.tamper();
  const again = await enter('alice', 'alice again');
  await square.elapse(tell(again, 'bob', 'plant/load', 'message 3', { until: 'delivered' }));
  const rest = await square.elapse(takeMessages(bob, 1));
  assert.deepEqual(
    [...first, ...rest].map((message) => sentence(message)),
    numbered(4).map((text) => `alice plant/load: ${text}`),
  );
});

test('what the application did not acknowledge comes again after a restart, marked, and what it did does not', async (t) => {
  const { square, enter } = await homes(t);
  const alice = await enter('alice');
  const bob = await enter('bob');
  for (const text of numbered(3)) await square.elapse(tell(alice, 'bob', 'plant/load', text, { until: 'delivered' }));
  const [first, , third] = await square.elapse(takeMessages(bob, 3));
  assert.ok(first && third);
  await Promise.all([first.ack(), third.ack(), third.ack()]);
  await bob.crash();
  const again = await enter('bob', 'bob again');
  await square.elapse(tell(alice, 'bob', 'plant/load', 'message 3', { until: 'delivered' }));
  const messages = await square.elapse(takeMessages(again, 2));
  assert.deepEqual(
    messages.map((message) => [sentence(message), message.redelivered, message.n]),
    [
      ['alice plant/load: message 1', true, 1],
      ['alice plant/load: message 3', false, 3],
    ],
  );
});

test('a reader that does not answer: who waited is told, and the message is taken back', async (t) => {
  const { square, enter } = await homes(t);
  const alice = await enter('alice');
  await assert.rejects(square.elapse(tell(alice, 'bob', 'plant/load', 'never', { until: 'delivered' })), {
    code: 'peer-offline',
  });
  const bob = await enter('bob');
  await square.elapse(tell(alice, 'bob', 'plant/load', 'message 1', { until: 'delivered' }));
  assert.deepEqual((await square.elapse(takeMessages(bob, 1))).map(sentence), ['alice plant/load: message 1']);
});

test('what expires while it waits is not delivered, and holds up nothing', async (t) => {
  const { square, enter } = await homes(t);
  const alice = await enter('alice');
  const expiresAtMs = square.clock.now() + 5000;
  await tell(alice, 'bob', 'plant/load', 'old', { until: 'queued', expiresAtMs });
  await tell(alice, 'bob', 'plant/load', 'message 1', { until: 'queued' });
  await square.wait(6000);
  const bob = await enter('bob');
  assert.deepEqual((await square.elapse(takeMessages(bob, 1))).map(sentence), ['alice plant/load: message 1']);
  assert.ok(bob.events.some(({ type }) => type === 'expired'));
});

test('a second command of one home at a broker is refused in a sentence, and what a killed one had queued goes out', async (t) => {
  const broker = await useAedes(t);
  const stage = await stageFor(t, ['sensor', 'operator']);
  const at = (name: string, ...args: string[]) => ['--home', stage.member(name).home, ...args, '--broker', broker.url];
  const queued = await runSealwire(
    at('sensor', 'pub', 'plant/load', 'queued', '--to', 'operator', '--until', 'queued'),
  );
  assert.equal(queued.code, 0, queued.stderr);
  await using reader = new RunningCommand(at('operator', 'sub', '#'));
  await reader.note();
  const second = await runSealwire(at('operator', 'pub', 'plant/load', 'x', '--to', 'sensor'));
  assert.match(second.stderr, /Another process of this home is running.*\[home-in-use\]/s);
  assert.equal(second.stdout, '');
  const sent = await runSealwire(at('sensor', 'pub', 'plant/load', 'after it', '--to', 'operator'));
  assert.equal(sent.code, 0, sent.stderr);
  assert.deepEqual(
    [await reader.line(), await reader.line()],
    ['plant/load sensor: queued', 'plant/load sensor: after it'],
  );
  // It is killed, and so has let go of its home.
  await reader[Symbol.asyncDispose]();
  const freed = await runSealwire(at('operator', 'pub', 'plant/load', 'x', '--to', 'sensor', '--until', 'queued'));
  assert.equal(freed.code, 0, freed.stderr);
});

test('a bus that cannot be opened leaves nothing behind that goes on trying', async (t) => {
  const { square, enter } = await homes(t);
  const alice = await enter('alice');
  await tell(alice, 'bob', 'plant/load', 'waits', { until: 'queued' });
  await alice.crash();
  const refusing = square.broker.connect('refused');
  await refusing.close();
  const store = new SqlitePeer(alice.file);
  t.after(() => store.close());
  const pending = square.clock.pending;
  const peer = await peerOf('alice', square.clock);
  await assert.rejects(Bus.open({ peer, broker: refusing, qos: 1, delivery: { store } }), { code: 'session-closed' });
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(square.clock.pending, pending);
});
