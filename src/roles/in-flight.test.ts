import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turn } from '../../test/support/turns.ts';
import { nobleCrypto } from '../core/crypto/noble.ts';
import { isSealwireError } from '../core/errors.ts';
import { type DeliveryReceipt, hashLabels, type SeqRange, seqsOf } from '../core/frame/receipt.ts';
import { KIND } from '../core/kinds.ts';
import { InFlight, type InFlightFrame } from './in-flight.ts';
import type { PendingMessage, SendUntil, Sent } from './send-queue.ts';

const leafOf = (seq: number): Uint8Array => new Uint8Array(32).fill(seq);

function frame(seq: number, messages: readonly PendingMessage[] = [], bytes = 10): InFlightFrame {
  return { seq, bytes: new Uint8Array(bytes), leafHash: leafOf(seq), messages, repaired: true };
}

function pending(n: number, until: SendUntil): PendingMessage {
  const done = Promise.withResolvers<Sent>();
  return { kind: KIND.message, topic: null, n, expiresAtS: null, encoded: new Uint8Array(1), until, done };
}

function receipt(...ranges: readonly SeqRange[]): DeliveryReceipt {
  const leaves = [...seqsOf(ranges)].map(leafOf);
  return {
    senderId: new Uint8Array(32),
    ratchetId: new Uint8Array(16),
    ranges,
    labelsHash: hashLabels(nobleCrypto, leaves),
  };
}

function windowOf(seqs: readonly number[]): InFlight {
  const inFlight = new InFlight({ framesMax: 100, bytesMax: 10_000 });
  for (const seq of seqs) inFlight.add(frame(seq), 0);
  return inFlight;
}

const seqsIn = (frames: readonly InFlightFrame[]): number[] => frames.map(({ seq }) => seq);

test('a receipt releases what it covers', async () => {
  const inFlight = windowOf([0, 1, 2, 4]);
  assert.deepEqual(seqsIn(inFlight.confirm(nobleCrypto, receipt([0, 1], [4, 4])).frames), [0, 1, 4]);
  assert.equal(inFlight.size, 1);
  inFlight.confirm(nobleCrypto, receipt([2, 2]));
  await inFlight.empty();
});

test('a receipt about frames that are not under way, or about other labels, changes nothing', () => {
  const inFlight = windowOf([0, 1]);
  const refused = (given: DeliveryReceipt): void =>
    assert.throws(
      () => inFlight.confirm(nobleCrypto, given),
      (error) => isSealwireError(error, 'malformed'),
    );
  refused(receipt([0, 2]));
  refused({ ...receipt([0, 1]), labelsHash: new Uint8Array(32) });
  assert.equal(inFlight.size, 2);
});

test('a receipt that is given again is nothing new, and is checked all the same', () => {
  const inFlight = windowOf([0, 1]);
  inFlight.confirm(nobleCrypto, receipt([0, 0]));
  const again = inFlight.confirm(nobleCrypto, receipt([0, 1]));
  assert.deepEqual(seqsIn(again.frames), [1]);
  assert.deepEqual(inFlight.confirm(nobleCrypto, receipt([0, 1])).frames, []);
  const other = { ...receipt([0, 0]), labelsHash: new Uint8Array(32) };
  assert.throws(
    () => inFlight.confirm(nobleCrypto, other),
    (error) => isSealwireError(error, 'malformed'),
  );
});

test('what left too long ago is given once until it was sent again', () => {
  const inFlight = new InFlight({ framesMax: 100, bytesMax: 10_000 });
  inFlight.add(frame(0), 100);
  inFlight.add(frame(1), 200);
  const pauses = { freshMs: 50, againMs: 20 };
  assert.equal(inFlight.overdueAtMs(pauses), 150);
  const [overdue, ...more] = inFlight.takeOverdue(150, pauses);
  assert.ok(overdue);
  assert.deepEqual([overdue.seq, more], [0, []]);
  assert.deepEqual(inFlight.takeOverdue(150, pauses), []);
  assert.equal(inFlight.overdueAtMs(pauses), 250);
  assert.equal(inFlight.resent(overdue, 300), true);
  assert.deepEqual(
    seqsIn(inFlight.takeOverdue(319, pauses)),
    [1],
    'what left once and what left again have their own times',
  );
  inFlight.resent(frame(1), 300);
  assert.deepEqual(seqsIn(inFlight.takeOverdue(320, pauses)), [0, 1]);
  assert.equal(inFlight.confirm(nobleCrypto, receipt([0, 1])).sentAtMs, null, 'only what left once tells the time');
  assert.equal(inFlight.resent(overdue, 400), false);
});

test('a frame’s time is not lengthened by what happens to others, but it is shortened', () => {
  const inFlight = new InFlight({ framesMax: 10, bytesMax: 10_000 });
  inFlight.add(frame(0), 0, 100);
  assert.equal(inFlight.overdueAtMs({ freshMs: 200, againMs: 200 }), 100);
  assert.equal(inFlight.overdueAtMs({ freshMs: 50, againMs: 50 }), 50);
});

test('the window has room again when frames or bytes are confirmed', async () => {
  for (const bounds of [
    { framesMax: 2, bytesMax: 10_000 },
    { framesMax: 100, bytesMax: 20 },
  ]) {
    const inFlight = new InFlight(bounds);
    inFlight.add(frame(0), 0);
    await inFlight.room();
    inFlight.add(frame(1), 0);
    let room = false;
    const waiting = inFlight.room().then(() => {
      room = true;
    });
    await turn();
    assert.equal(room, false);
    inFlight.confirm(nobleCrypto, receipt([1, 1]));
    await waiting;
  }
});

test('what a receipt leaves out is lost, and is sent again once for each time it is lost', () => {
  const inFlight = windowOf([0, 1, 2, 3]);
  inFlight.confirm(nobleCrypto, receipt([1, 1]));
  const [first] = inFlight.takeLost(1);
  assert.equal(first?.seq, 0);
  // Receipts for what left before the repair say nothing about the repair.
  inFlight.confirm(nobleCrypto, receipt([3, 3]));
  assert.deepEqual(seqsIn(inFlight.takeLost(3)), [2]);
  assert.ok(first);
  inFlight.resent(first, 0);
  assert.deepEqual(inFlight.takeLost(3), []);
  // What left after it does.
  inFlight.add(frame(4), 0);
  assert.deepEqual(seqsIn(inFlight.takeLost(4)), [0]);
});

test('a frame is sent again three times at most', () => {
  const inFlight = windowOf([0]);
  let repairs = 0;
  for (let seq = 1; seq < 10; seq++) {
    inFlight.add(frame(seq), 0);
    inFlight.confirm(nobleCrypto, receipt([seq, seq]));
    for (const lost of inFlight.takeLost(seq)) {
      inFlight.resent(lost, 0);
      repairs += 1;
    }
  }
  assert.equal(repairs, 3);
});

test('failing forgets everything and rejects who waits for a receipt, nobody else', async () => {
  const inFlight = new InFlight({ framesMax: 1, bytesMax: 10_000 });
  const [sent, delivered, logged] = [pending(0, 'sent'), pending(1, 'delivered'), pending(2, 'logged')];
  inFlight.add(frame(0, [sent, delivered, logged]), 0);
  const empty = inFlight.empty();
  const room = inFlight.room();
  const why = new Error('why');
  const told = assert.rejects(delivered.done.promise, why);
  inFlight.fail(why);
  await Promise.all([told, empty, room]);
  const others = Promise.race([sent.done.promise, logged.done.promise, turn().then(() => 'still waiting')]);
  assert.equal(await others, 'still waiting');
});
