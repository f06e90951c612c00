import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runNode } from '../../test/support/child.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { until } from '../../test/support/turns.ts';
import { SqlitePeer } from './sqlite-peer.ts';

const ID = new Uint8Array(32).fill(1);
const STREAM = { senderId: ID, stream: new Uint8Array(8).fill(2) };

const outboxEntry = (streamNo: number, n: number, text = `${n}`) => {
  return { streamNo, n, topic: n % 2 ? null : 'a', expiresAtS: n % 3 ? null : 7, encoded: Buffer.from(text) };
};
const inboxEntry = (n: number, text = `${n}`) => {
  const contentType = n % 2 ? 42 : 'text/plain';
  return { n, topic: null, timeMs: 1000 + n, contentType, payload: Buffer.from(text), expiresAtS: null };
};

async function place(t: TestContext) {
  const directory = await temporaryDirectory(t);
  const open = (): SqlitePeer => {
    const peer = new SqlitePeer(join(directory, 'peer.db'));
    t.after(() => peer.close());
    return peer;
  };
  return { directory, open };
}

test('an outbox: entries by stream and in order, replaced, removed by ranges, and there again after closing', async (t) => {
  const { open } = await place(t);
  const first = open();
  first.transaction(() => {
    const no = first.outbox.begin(ID);
    for (let n = 0; n < 5; n++) first.outbox.add(outboxEntry(no, n));
    first.outbox.replace({ ...outboxEntry(no, 3, 'other'), expiresAtS: 0 });
    first.outbox.remove(no, 0, 1);
    first.outbox.begin(ID);
  });
  first.close();
  const again = open();
  const [stream, ...more] = again.outbox.streams();
  assert.ok(stream);
  assert.deepEqual(more, [], 'a stream without entries is none');
  assert.deepEqual([[...stream.recipientId], stream.messages, stream.bytes], [[...ID], 3, 7]);
  const page = again.outbox.page(stream.streamNo, 3, 1);
  assert.deepEqual(
    page.map(({ n, topic, expiresAtS, encoded }) => [n, topic, expiresAtS, Buffer.from(encoded).toString()]),
    [[3, null, 0, 'other']],
  );
  again.transaction(() => again.outbox.remove(stream.streamNo, 0, 9));
  assert.ok(again.transaction(() => again.outbox.begin(ID)) > stream.streamNo, 'numbers only grow');
});

test('an inbox: places with gaps, entries, and the streams that have some', async (t) => {
  const { open } = await place(t);
  const first = open();
  const no = first.transaction(() => {
    const streamNo = first.inbox.begin(STREAM, 'alice');
    for (const n of [0, 1, 4]) first.inbox.add(streamNo, inboxEntry(n));
    first.inbox.setPlace(streamNo, { next: 4, gaps: [{ first: 2, last: 3 }] });
    return streamNo;
  });
  first.close();
  const again = open();
  const found = again.inbox.find(STREAM);
  assert.ok(found);
  assert.deepEqual([found.streamNo, found.senderName], [no, 'alice']);
  assert.deepEqual(found.place, { next: 4, gaps: [{ first: 2, last: 3 }] });
  assert.deepEqual(
    found.entries.map(({ n, contentType, timeMs }) => [n, contentType, timeMs]),
    [
      [0, 'text/plain', 1000],
      [1, 42, 1001],
      [4, 'text/plain', 1004],
    ],
  );
  assert.deepEqual(again.inbox.waiting().length, 1);
  again.transaction(() => again.inbox.remove(no, 0, 4));
  assert.deepEqual(again.inbox.waiting(), []);
  assert.equal(again.inbox.find(STREAM)?.place.next, 4, 'the place stays');
});

test('places of a sender are bounded, those with messages stay, and one that was forgotten is not written to', async (t) => {
  const { open } = await place(t);
  const peer = open();
  const begin = (i: number): number => {
    const stream = new Uint8Array(8);
    new DataView(stream.buffer).setUint32(0, i);
    return peer.transaction(() => peer.inbox.begin({ senderId: ID, stream }, 'alice'));
  };
  const [kept, forgotten] = [begin(0), begin(1)];
  peer.transaction(() => peer.inbox.add(kept, inboxEntry(0)));
  for (let i = 2; i < 100; i++) begin(i);
  assert.equal(peer.inbox.waiting().length, 1);
  const write = (): void => peer.inbox.setPlace(forgotten, { next: 1, gaps: [] });
  assert.throws(() => peer.transaction(write), { code: 'file-unwritable' });
  peer.transaction(() => peer.inbox.setPlace(kept, { next: 1, gaps: [] }));
});

test('only its owner may read it, and what was removed is in no file a moment later', async (t) => {
  const { directory, open } = await place(t);
  const peer = open();
  const secret = 'planted-content-51c0';
  const [out, into] = peer.transaction(() => {
    const numbers = [peer.outbox.begin(ID), peer.inbox.begin(STREAM, 'alice')] as const;
    peer.outbox.add(outboxEntry(numbers[0], 0, secret));
    peer.inbox.add(numbers[1], inboxEntry(0, secret));
    return numbers;
  });
  const holders = (): string[] =>
    readdirSync(directory).filter((name) => readFileSync(join(directory, name)).includes(secret));
  assert.notDeepEqual(holders(), []);
  for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  peer.transaction(() => {
    peer.outbox.remove(out, 0, 0);
    peer.inbox.remove(into, 0, 0);
  });
  await until(() => holders().length === 0);
});

test('another process is refused as long as the first one lives, however that ends', async (t) => {
  const { directory, open } = await place(t);
  const script = `
    import { SqlitePeer } from '${new URL('./sqlite-peer.ts', import.meta.url).href}';
    try {
      new SqlitePeer(${JSON.stringify(join(directory, 'peer.db'))});
      process.stdout.write('opened');
      process.kill(process.pid, 'SIGKILL');
    } catch ({ code }) {
      process.stdout.write(code);
    }`;
  const tryIt = async (): Promise<string> => (await runNode(['--input-type=module', '-e', script])).stdout;
  const first = open();
  assert.equal(await tryIt(), 'home-in-use');
  first.close();
  assert.equal(await tryIt(), 'opened');
  open();
});
