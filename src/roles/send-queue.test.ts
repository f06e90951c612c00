import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turn } from '../../test/support/turns.ts';
import { KIND } from '../core/kinds.ts';
import { type PendingMessage, SendQueue, type Sent } from './send-queue.ts';

function pending(n: number, rest: Partial<PendingMessage> = {}): PendingMessage {
  return {
    kind: KIND.message,
    topic: null,
    n,
    expiresAtS: null,
    encoded: new Uint8Array(10),
    until: 'sent',
    done: Promise.withResolvers<Sent>(),
    ...rest,
  };
}

function filled(messages: readonly PendingMessage[], messagesMax = 100): SendQueue {
  const queue = new SendQueue(messagesMax);
  for (const message of messages) queue.push(message);
  return queue;
}

const numbersOf = (batch: readonly PendingMessage[]): number[] => batch.map(({ n }) => n);

test('a batch is whatever is queued', () => {
  const queue = filled([0, 1, 2].map((n) => pending(n)));
  assert.deepEqual(numbersOf(queue.takeBatch({ messagesMax: 10, bytesMax: 1000 })), [0, 1, 2]);
  assert.deepEqual(queue.takeBatch({ messagesMax: 10, bytesMax: 1000 }), []);
  assert.equal(queue.length, 0);
});

test('a batch is bounded in messages and in bytes, and holds at least one', () => {
  const queue = filled([0, 1, 2, 3, 4, 5].map((n) => pending(n)));
  assert.deepEqual(numbersOf(queue.takeBatch({ messagesMax: 2, bytesMax: 1000 })), [0, 1]);
  assert.deepEqual(numbersOf(queue.takeBatch({ messagesMax: 9, bytesMax: 29 })), [2, 3]);
  assert.deepEqual(numbersOf(queue.takeBatch({ messagesMax: 9, bytesMax: 5 })), [4]);
  assert.deepEqual(numbersOf(queue.takeBatch({ messagesMax: 9, bytesMax: 10 })), [5]);
});

test('messages that need different labels do not share one', () => {
  const queue = filled([
    pending(0),
    pending(1, { expiresAtS: 5 }),
    pending(2, { expiresAtS: 5 }),
    pending(3, { expiresAtS: 6 }),
    pending(4, { expiresAtS: 6, kind: KIND.ledgerReceipt }),
  ]);
  const bounds = { messagesMax: 9, bytesMax: 1000 };
  const batches = [0, 1, 2, 3].map(() => numbersOf(queue.takeBatch(bounds)));
  assert.deepEqual(batches, [[0], [1, 2], [3], [4]]);
});

test('who comes to a full queue waits until a batch is taken', async () => {
  const queue = filled([pending(0), pending(1)], 2);
  let entered = false;
  const room = queue.room().then(() => {
    entered = true;
  });
  await turn();
  assert.equal(entered, false);
  assert.equal(queue.full, true);
  queue.takeBatch({ messagesMax: 1, bytesMax: 1000 });
  await room;
  assert.equal(queue.full, false);
});

test('failing rejects everything that is queued and lets go whoever waits', async () => {
  const messages = [pending(0), pending(1)];
  const queue = filled(messages, 2);
  const room = queue.room();
  const why = new Error('why');
  const outcomes = Promise.allSettled(messages.map(({ done }) => done.promise));
  queue.fail(why);
  await room;
  for (const outcome of await outcomes) assert.deepEqual(outcome, { status: 'rejected', reason: why });
});
