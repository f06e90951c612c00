import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../../../test/support/directory.ts';
import { manualClock } from '../../../test/support/manual-clock.ts';
import { turn, until } from '../../../test/support/turns.ts';
import { SealwireError } from '../../core/errors.ts';
import { readBody } from '../../core/frame/body.ts';
import { nodeCrypto } from '../../node/crypto.ts';
import { SqlitePeer } from '../../node/sqlite-peer.ts';
import type { StoredMessage } from '../send-queue.ts';
import type { Session } from '../session.ts';
import { GroupCommit } from './group-commit.ts';
import { Outbox, type OutboxBounds, type OutboxMessage } from './outbox.ts';

const BOB = { id: new Uint8Array(32).fill(1), name: 'bob' };
const WIDE: OutboxBounds = { messagesMax: 100, bytesMax: 100_000, whenFull: 'wait' };

function message(text: string, more: Partial<OutboxMessage> = {}): OutboxMessage {
  const payload = new TextEncoder().encode(text);
  return { topic: 'a', contentType: 42, payload, expiresAtMs: null, until: 'queued', waitMs: 0, ...more };
}

/** An outbox over a real file, and a session that keeps what it was given until a test decides. */
async function outboxFor(t: TestContext, bounds: OutboxBounds = WIDE) {
  const path = join(await temporaryDirectory(t), 'peer.db');
  const clock = manualClock();
  const given: StoredMessage[] = [];
  const over = Promise.withResolvers<void>();
  const session = {
    closing: false,
    over: over.promise,
    sendStored: async (stored: StoredMessage) => void given.push(stored),
  };
  let offline = false;
  let failing = false;
  const open = (): { store: SqlitePeer; outbox: Outbox } => {
    const store = new SqlitePeer(path);
    t.after(() => store.close());
    const transaction = <T>(action: () => T): T => {
      if (failing) throw new SealwireError('file-unwritable', 'The disk is full.');
      return store.transaction(action);
    };
    const commits = new GroupCommit({ transaction }, clock);
    const outbox = new Outbox({
      ...{ store, commits, clock, bounds, isLogged: false },
      random: (length) => nodeCrypto.random(length),
      open: async () => {
        if (offline) throw new SealwireError('peer-offline', 'Nobody answers.');
        return session as unknown as Session;
      },
      isCurrent: () => true,
    });
    outbox.start();
    return { store, outbox };
  };
  return {
    ...{ clock, given, session, open },
    confirm: (which: StoredMessage) => which.done.resolve({ n: which.n, seq: 0, logged: null }),
    setOffline: (is: boolean): void => {
      offline = is;
    },
    setFailing: (is: boolean): void => {
      failing = is;
    },
  };
}

function textOf({ encoded }: StoredMessage): string {
  const [read] = readBody(encoded);
  return `${read?.n} ${new TextDecoder().decode(read?.payload)}`;
}

test('what is queued is on the disk, leaves in order, and is gone once confirmed', async (t) => {
  const { given, open, confirm } = await outboxFor(t);
  const { store, outbox } = open();
  await Promise.all(['x', 'y', 'z'].map((text) => outbox.send(BOB, message(text))));
  assert.equal(store.outbox.streams()[0]?.messages, 3);
  await until(() => given.length === 3);
  assert.deepEqual(given.map(textOf), ['0 x', '1 y', '2 z']);
  for (const stored of given) confirm(stored);
  await until(() => store.outbox.streams().length === 0);
  assert.deepEqual(outbox.waiting, { messages: 0, bytes: 0 });
});

test('the next process goes on with what is there, in its old places, before anything new', async (t) => {
  const { given, open, confirm, setOffline } = await outboxFor(t);
  setOffline(true);
  const first = open();
  await Promise.all(['x', 'y'].map((text) => first.outbox.send(BOB, message(text))));
  first.store.close();
  setOffline(false);
  const { outbox } = open();
  await outbox.send(BOB, message('new'));
  await until(() => given.length === 2);
  for (let turns = 0; turns < 5; turns++) await turn();
  assert.deepEqual(given.map(textOf), ['0 x', '1 y'], 'the new stream waits for the old one');
  for (const stored of [...given]) confirm(stored);
  await until(() => given.length === 3);
  assert.equal(textOf(given[2] as StoredMessage), '0 new');
  const [old, fresh] = [
    readBody(given[0]?.encoded ?? new Uint8Array()),
    readBody(given[2]?.encoded ?? new Uint8Array()),
  ];
  assert.notDeepEqual(old[0]?.stream, fresh[0]?.stream);
});

test('a full outbox refuses, or waits until something is confirmed, in the order of the calls', async (t) => {
  const refusing = await outboxFor(t, { ...WIDE, messagesMax: 1, whenFull: 'refuse' });
  const { outbox: strict } = refusing.open();
  await strict.send(BOB, message('x'));
  await assert.rejects(strict.send(BOB, message('y')), { code: 'outbox-full' });

  const { given, open, confirm } = await outboxFor(t, { ...WIDE, messagesMax: 1 });
  const { outbox } = open();
  const order: string[] = [];
  const sends = ['x', 'y', 'z'].map((text) => outbox.send(BOB, message(text)).then(() => order.push(text)));
  await sends[0];
  for (let turns = 0; turns < 5; turns++) await turn();
  assert.deepEqual(order, ['x']);
  for (let i = 0; i < 3; i++) {
    await until(() => given.length > i);
    confirm(given[i] as StoredMessage);
  }
  await Promise.all(sends);
  assert.deepEqual(given.map(textOf), ['0 x', '1 y', '2 z']);
});

test('what could not be written is refused and leaves no hole: what follows has a stream of its own', async (t) => {
  const { given, open, setFailing } = await outboxFor(t);
  const { store, outbox } = open();
  await outbox.send(BOB, message('x'));
  setFailing(true);
  await assert.rejects(outbox.send(BOB, message('lost')), { code: 'file-unwritable' });
  setFailing(false);
  await outbox.send(BOB, message('y'));
  await until(() => given.length === 1);
  assert.equal(store.outbox.streams().length, 2);
  given[0]?.done.resolve({ n: 0, seq: 0, logged: null });
  await until(() => given.length === 2);
  assert.equal(textOf(given[1] as StoredMessage), '0 y');
  assert.equal(outbox.waiting.messages, 1);
});

test('a session that ends: what it did not confirm goes into the next one, in order', async (t) => {
  const { given, open, confirm, session } = await outboxFor(t);
  const { outbox } = open();
  await Promise.all(['x', 'y', 'z'].map((text) => outbox.send(BOB, message(text))));
  await until(() => given.length === 3);
  confirm(given[1] as StoredMessage);
  session.closing = true;
  const ended = new SealwireError('session-closed', 'It is over.');
  for (const at of [0, 2]) given[at]?.done.reject(ended);
  for (let turns = 0; turns < 5; turns++) await turn();
  session.closing = false;
  outbox.hurry(BOB.id);
  await until(() => given.length === 5);
  assert.deepEqual(given.slice(3).map(textOf), ['0 x', '2 z']);
});

test('nobody answers: who waited is told, and what others have queued behind is not held up by its place', async (t) => {
  const { given, open, setOffline } = await outboxFor(t);
  const { outbox } = open();
  setOffline(true);
  const waited = outbox.send(BOB, message('waited', { until: 'delivered' }));
  const queued = outbox.send(BOB, message('queued'));
  await assert.rejects(waited, { code: 'peer-offline' });
  await queued;
  setOffline(false);
  outbox.hurry(BOB.id);
  await until(() => given.length === 2);
  assert.deepEqual(given.map(textOf), ['0 ', '1 queued']);
  assert.equal(given[0]?.expiresAtS, 0, 'its reader drops it');
});

test('what was confirmed while the disk was full leaves it with what is confirmed next', async (t) => {
  const { given, open, confirm, setFailing } = await outboxFor(t);
  const { store, outbox } = open();
  await Promise.all(['x', 'y', 'z'].map((text) => outbox.send(BOB, message(text))));
  await until(() => given.length === 3);
  setFailing(true);
  confirm(given[0] as StoredMessage);
  for (let turns = 0; turns < 5; turns++) await turn();
  assert.equal(store.outbox.streams()[0]?.messages, 3);
  assert.equal(outbox.waiting.messages, 2);
  setFailing(false);
  confirm(given[1] as StoredMessage);
  await until(() => store.outbox.streams()[0]?.messages === 1);
});
