import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectAsync } from 'mqtt';
import { bytesToHex } from '../../src/core/bytes.ts';
import { KIND } from '../../src/core/kinds.ts';
import { SqlitePeer } from '../../src/node/sqlite-peer.ts';
import { Mortal } from '../faults/mortal.ts';
import { noMosquitto, useMosquitto } from '../support/brokers.ts';
import { labelOf, Square, sentence, takeMessages, tell, type Visitor } from '../support/bus.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { numbered } from '../support/messages.ts';
import { enterBroker, stageFor, tellOn } from '../support/mqtt-stage.ts';

const COUNT = 300;
/** Mosquitto's default. */
const QUEUE_MAX = 1000;

test('N17: a broker whose queue overflows drops what it has acknowledged: the outbox repeats it, all arrives once', {
  skip: noMosquitto,
  timeout: 120_000,
}, async (t) => {
  const broker = await useMosquitto(t, { queuedMessagesMax: QUEUE_MAX });
  const stage = await stageFor(t, ['sensor', 'operator']);
  const came: string[] = [];
  let change = Promise.withResolvers<void>();
  const reader = new Mortal('./reader.ts', [stage.member('operator').home, broker.url], (line) => {
    came.push(line);
    change.resolve();
    change = Promise.withResolvers();
  });
  t.after(() => reader.end());
  const stranger = await connectAsync(broker.url);
  t.after(() => stranger.endAsync(true));
  const overflow = Promise.withResolvers<void>();
  stranger.on('message', (_topic, dropped) => {
    if (Number(dropped) > 0) overflow.resolve();
  });
  await stranger.subscribeAsync('$SYS/broker/publish/messages/dropped');
  await reader.ready;
  const sensor = await enterBroker(stage, 'sensor', broker.url, { tuning: { batchMax: 1 } });
  await tellOn(sensor, 'operator', 'faults/load', '0', { until: 'delivered' });
  reader.freeze();
  // A window of ours never fills that queue; somebody else's messages do.
  const junk = Array.from({ length: 3 * QUEUE_MAX }, () => stranger.publishAsync('faults/junk', 'junk', { qos: 1 }));
  await Promise.all(junk);
  const queued = Array.from({ length: COUNT }, (_, i) =>
    tellOn(sensor, 'operator', 'faults/load', `${i + 1}`, { until: 'queued' }),
  );
  await Promise.all(queued);
  await overflow.promise;
  reader.thaw();
  while (came.filter((line) => line.startsWith('got')).length <= COUNT) await change.promise;
  assert.deepEqual(
    came.filter((line) => !line.startsWith('done')),
    Array.from({ length: COUNT + 1 }, (_, i) => `got ${i}`),
  );
  await sensor.bus.close();
});

test('N27: a home restored from an old backup uses no key and no place twice, and what is new arrives', async (t) => {
  const directory = await temporaryDirectory(t);
  const square = new Square();
  const stores: SqlitePeer[] = [];
  t.after(async () => {
    await square[Symbol.asyncDispose]();
    for (const store of stores) store.close();
  });
  const enter = async (name: string, file: string, client = file): Promise<Visitor> => {
    const store = new SqlitePeer(join(directory, file));
    stores.push(store);
    const visitor = await square.enter(name, { delivery: { store } }, client);
    await visitor.bus.subscribe('plant/#');
    return visitor;
  };
  const told = (from: Visitor, texts: readonly string[]) =>
    Promise.all(texts.map((text) => tell(from, 'bob', 'plant/load', text, { until: 'queued' })));

  const alice = await enter('alice', 'alice.db');
  await told(alice, numbered(2));
  // The backup has two messages that are still to be sent.
  await alice.vanish();
  stores[0]?.close();
  await copyFile(join(directory, 'alice.db'), join(directory, 'backup.db'));
  const bob = await enter('bob', 'bob.db');
  const second = await enter('alice', 'alice.db', 'alice again');
  await told(second, ['message 2', 'message 3']);
  const before = await square.elapse(takeMessages(bob, 4));
  await second.vanish();
  stores[2]?.close();

  const restored = await enter('alice', 'backup.db', 'alice restored');
  await square.elapse(tell(restored, 'bob', 'plant/load', 'message 4', { until: 'delivered' }));
  const after = await square.elapse(takeMessages(bob, 1));
  assert.deepEqual(
    [...before, ...after].map((message) => sentence(message)),
    numbered(5).map((text) => `alice plant/load: ${text}`),
  );
  const labels = square.broker.seen.flatMap((published) => labelOf(published) ?? []);
  const sent = labels.filter(({ kind }) => kind === KIND.message);
  const places = new Map<string, string>();
  for (const { ratchetId, seq, signature } of sent) {
    const [place, label] = [`${bytesToHex(ratchetId)} ${seq}`, bytesToHex(signature)];
    assert.equal(places.get(place) ?? label, label, 'one place of a ratchet, two labels');
    places.set(place, label);
  }
  assert.ok(places.size >= 3);
});
