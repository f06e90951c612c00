import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalBytes, utf8ToBytes } from '../../src/core/bytes.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { receiveFrame } from '../../src/core/frame/open.ts';
import { KIND } from '../../src/core/kinds.ts';
import type { LoggedLabel } from '../../src/core/ledger/submission.ts';
import { FRAME_BYTES_MAX } from '../../src/core/limits.ts';
import type { LabelSink } from '../../src/roles/label-sink.ts';
import type { Session } from '../../src/roles/session.ts';
import type { Middle } from '../support/memory-middle.ts';
import { hear, hearAll, numbered, say, sayAll } from '../support/messages.ts';
import { type FrameTamper, sessionPair } from '../support/session-pair.ts';
import { standstill, turn, until } from '../support/turns.ts';

const timeout = 30_000;

/** The labels of message frames that left Alice. */
function messageLabels({ seen }: Middle): Label[] {
  return seen.flatMap(({ way, unit }) => {
    if (way !== 'out') return [];
    try {
      const { label } = receiveFrame(unit);
      return label.kind === KIND.message ? [label] : [];
    } catch {
      return [];
    }
  });
}

function refusedAs(code: string): (error: unknown) => boolean {
  return (error) => isSealwireError(error) && error.code === code;
}

test('what is sent in one turn shares a frame; an idle sender puts one message in each', { timeout }, async () => {
  await using pair = await sessionPair();
  const { alice, bob, middle } = pair;
  const sent = await Promise.all(numbered(50).map((text) => say(alice, text)));
  assert.equal(new Set(sent.map(({ seq }) => seq)).size, 1);
  assert.deepEqual(
    sent.map(({ n }) => n),
    [...Array(50).keys()],
  );
  await sayAll(alice, ['alone', 'again']);
  assert.deepEqual(await hear(bob, 52), [...numbered(50), 'alone', 'again']);
  assert.equal(messageLabels(middle).length, 3);
});

test('batchMax bounds a frame, and so does its size', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { batchMax: 8 } });
  await Promise.all(numbered(20).map((text) => say(pair.alice, text)));
  await hear(pair.bob, 20);
  assert.equal(messageLabels(pair.middle).length, 3);
  await using large = await sessionPair();
  const payload = new Uint8Array(50_000);
  await Promise.all([0, 1, 2, 3].map(() => large.alice.send(payload)));
  assert.equal((await hear(large.bob, 4)).length, 4);
  assert.equal(messageLabels(large.middle).length, 2);
});

test('different expiries and kinds do not share a frame', { timeout }, async () => {
  await using pair = await sessionPair();
  const { alice, bob, clock, middle } = pair;
  const expiresAtMs = clock.now() + 60_000;
  await Promise.all([say(alice, 'a'), alice.send(utf8ToBytes('b'), { expiresAtMs }), say(alice, 'c')]);
  assert.deepEqual(await hear(bob, 3), ['a', 'b', 'c']);
  const expiries = messageLabels(middle).map(({ expiresAtS }) => expiresAtS);
  assert.deepEqual(expiries, [null, Math.ceil(expiresAtMs / 1000), null]);
});

test('`delivered` waits for the receipt; receipts cover many frames', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { batchMax: 1 } });
  const { alice, bob, clock, middle } = pair;
  let done = 0;
  const delivered = numbered(5).map(async (text) => {
    await say(alice, text, 'delivered');
    done += 1;
  });
  await hear(bob, 5);
  await standstill(() => done);
  assert.equal(done, 0);
  clock.advance(99);
  await standstill(() => done);
  assert.equal(done, 0);
  clock.advance(1);
  await Promise.all(delivered);
  assert.equal(middle.seen.filter(({ way, unit }) => way === 'back' && isReceipt(unit)).length, 1);
});

test('receiptFrames frames are confirmed at once', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { batchMax: 1, receiptFrames: 4 } });
  await Promise.all(numbered(8).map((text) => say(pair.alice, text, 'delivered')));
  assert.equal(pair.aliceEvents.filter(({ type }) => type === 'confirmed').length, 2);
});

function isReceipt(unit: Uint8Array): boolean {
  try {
    return receiveFrame(unit).label.kind === KIND.deliveryReceipt;
  } catch {
    return false;
  }
}

test('a receipt that never comes leaves `delivered` waiting until the session ends', { timeout }, async () => {
  const tamper: FrameTamper = (label, unit) => (label.kind === KIND.deliveryReceipt ? [] : [unit]);
  await using pair = await sessionPair({ tamper });
  const delivered = assert.rejects(say(pair.alice, 'hello', 'delivered'), refusedAs('timeout'));
  assert.deepEqual(await hear(pair.bob, 1), ['hello']);
  await assert.rejects(pair.elapse(pair.alice.close()), refusedAs('timeout'));
  await delivered;
});

/** A ledger in the head: gives what it is told to. */
function sinkOf(submit: (label: Uint8Array) => Promise<LoggedLabel>): LabelSink {
  return { head: { treeSize: 7, root: new Uint8Array(32).fill(7) }, newestRoster: null, submit };
}

test('`logged` waits for the ledger; labels carry the newest head', { timeout }, async () => {
  const logging = Promise.withResolvers<LoggedLabel>();
  const labels: Uint8Array[] = [];
  const sink = sinkOf((label) => {
    labels.push(label);
    return logging.promise;
  });
  await using pair = await sessionPair({ sink });
  let done = false;
  const sent = say(pair.alice, 'hello', 'logged').finally(() => {
    done = true;
  });
  await hear(pair.bob, 1);
  await turn();
  assert.equal(done, false);
  logging.resolve({ index: 5, receipt: new Uint8Array(1) });
  assert.equal((await sent).logged?.index, 5);
  const [label] = messageLabels(pair.middle);
  assert.equal(label?.head?.treeSize, 7);
  assert.ok(label && labels[0] && equalBytes(labels[0], label.bytes));
});

test('`logged` without a notary is refused before anything is sent', { timeout }, async () => {
  await using pair = await sessionPair();
  await assert.rejects(say(pair.alice, 'hello', 'logged'), refusedAs('not-logged'));
  await say(pair.alice, 'to whom it concerns');
  assert.deepEqual(await hear(pair.bob, 1), ['to whom it concerns']);
});

test('`logged` with a notary that refuses is told; the message goes its way', { timeout }, async () => {
  await using refusing = await sessionPair({ sink: sinkOf(() => Promise.reject(new Error('no room'))) });
  await assert.rejects(say(refusing.alice, 'hello', 'logged'), refusedAs('not-logged'));
  await say(refusing.alice, 'and again');
  assert.deepEqual(await hear(refusing.bob, 2), ['hello', 'and again']);
  assert.ok(refusing.aliceEvents.some(({ type }) => type === 'not-logged'));
});

test('a full window holds messages back, which then share a frame', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { windowFramesMax: 2 } });
  const { alice, bob, middle } = pair;
  await sayAll(alice, ['a', 'b']);
  const rest = Promise.all(numbered(10).map((text) => say(alice, text)));
  await standstill(() => middle.seen.length);
  assert.equal(messageLabels(middle).length, 2);
  await pair.elapse(rest);
  assert.deepEqual(await hear(bob, 12), ['a', 'b', ...numbered(10)]);
  assert.equal(messageLabels(middle).length, 3);
});

test('an unread queue holds the peer back, in bounded memory; reading lets it go on', { timeout }, async () => {
  await using pair = await sessionPair({
    tuning: { batchMax: 1, sendQueueMessagesMax: 16, receiveQueueMessagesMax: 8, windowFramesMax: 32 },
  });
  const { alice, bob, middle } = pair;
  const total = 300;
  let sent = 0;
  const sending = (async () => {
    for (let n = 0; n < total; n++) {
      await alice.send(new Uint8Array(20_000));
      sent += 1;
    }
  })();
  await standstill(() => middle.seen.length);
  const held = sent;
  assert.ok(held < 120, `${held} messages are somewhere in between`);
  await standstill(() => sent);
  assert.equal(sent, held);
  const heard = pair.elapse(hear(bob, total));
  await pair.elapse(sending);
  assert.equal((await heard).length, total);
});

test('more than the queue holds keeps the order of the calls', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { sendQueueMessagesMax: 3, batchMax: 2 } });
  const texts = numbered(60);
  const sending = Promise.all(texts.map((text) => say(pair.alice, text)));
  assert.deepEqual(await pair.elapse(hear(pair.bob, 60)), texts);
  await sending;
});

test('two busy peers do not stop each other', { timeout }, async () => {
  const tuning = { sendQueueMessagesMax: 8, receiveQueueMessagesMax: 8, windowFramesMax: 4, receiptFrames: 2 };
  await using pair = await sessionPair({ tuning });
  const payload = new Uint8Array(30_000);
  const work = async (session: Session): Promise<number> => {
    const sending = Promise.all(Array.from({ length: 100 }, () => session.send(payload)));
    const heard = (await hear(session, 100)).length;
    await sending;
    return heard;
  };
  assert.deepEqual(await pair.elapse(Promise.all([work(pair.alice), work(pair.bob)])), [100, 100]);
  await pair.elapse(Promise.all([pair.alice.close(), pair.bob.close()]));
});

test('a message that does not fit is refused and leaves no hole', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { batchMax: 1 } });
  const { alice, bob } = pair;
  const tooLarge = refusedAs('too-large');
  await assert.rejects(alice.send(new Uint8Array(FRAME_BYTES_MAX)), tooLarge);
  await assert.rejects(alice.send(new Uint8Array(0), { contentType: 'x'.repeat(FRAME_BYTES_MAX) }), tooLarge);
  await assert.rejects(alice.send(new Uint8Array(0), { contentType: '€'.repeat(60_000) }), tooLarge);
  await say(alice, 'fits');
  const largest = new Uint8Array(FRAME_BYTES_MAX - 2048 - 64);
  await alice.send(largest);
  assert.deepEqual(await hear(bob, 2), ['fits', '\0'.repeat(largest.length)]);
  assert.deepEqual(pair.bobEvents, []);
  await pair.elapse(alice.close());
});

test('what cannot be said of a message is refused before it is queued', { timeout }, async () => {
  await using pair = await sessionPair();
  const { alice, bob } = pair;
  for (const contentType of [-1, 0.5, Number.NaN, 2 ** 60]) {
    await assert.rejects(alice.send(new Uint8Array(1), { contentType }), refusedAs('usage'));
  }
  for (const expiresAtMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(alice.send(new Uint8Array(1), { expiresAtMs }), refusedAs('usage'));
  }
  await alice.send(utf8ToBytes('ok'), { contentType: 'text/plain; charset=utf-8' });
  const { value } = await bob[Symbol.asyncIterator]().next();
  assert.deepEqual([value?.n, value?.contentType], [0, 'text/plain; charset=utf-8']);
  await pair.elapse(alice.close());
  assert.deepEqual(await hearAll(bob), []);
});

test('an endless stream leaves nothing behind: window and timers stay bounded', { timeout }, async () => {
  await using pair = await sessionPair({ tuning: { batchMax: 4, receiptFrames: 16 } });
  const { alice, bob, clock } = pair;
  for (let round = 0; round < 40; round++) {
    await Promise.all(numbered(16).map((text) => say(alice, text)));
    await hear(bob, 16);
  }
  await until(() => clock.pending <= 2);
});
