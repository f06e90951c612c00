import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeGrantRequest } from '../../src/core/channel/grant-request.ts';
import { toLowS } from '../../src/core/crypto/es256.ts';
import { encodeMessage } from '../../src/core/frame/body.ts';
import { encodeDeliveryReceipt, hashLabels, toRanges } from '../../src/core/frame/receipt.ts';
import { draftFrame, type LabelPlan } from '../../src/core/frame/seal.ts';
import { KIND } from '../../src/core/kinds.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import { SendingRatchet } from '../../src/core/ratchet/sending.ts';
import { rosterTopic } from '../../src/core/roster/roster-topic.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { isInbox, labelOf, overhear, Square } from '../support/bus.ts';
import { announce, type ChannelVisitor, channelOf, enterChannels, refusedIn, TestRoster } from '../support/channels.ts';
import { flipped } from '../support/forged-frame.ts';
import { NOW_MS } from '../support/identities.ts';
import { numbered } from '../support/messages.ts';
import { identityOf } from '../support/session-pair.ts';
import { until } from '../support/turns.ts';

const timeout = 60_000;

/** Alice writes, Bob and Carol read. */
async function scene(
  square: Square,
  more: Parameters<typeof channelOf>[0] = {},
): Promise<{ roster: TestRoster; alice: ChannelVisitor; bob: ChannelVisitor; carol: ChannelVisitor }> {
  const roster = await TestRoster.of({ channels: [channelOf(more)] });
  const alice = await enterChannels(square, roster, 'alice');
  const [bob, carol] = [await enterChannels(square, roster, 'bob'), await enterChannels(square, roster, 'carol')];
  return { roster, alice, bob, carol };
}

async function assertHonest(square: Square, { alice, bob }: Pick<Awaited<ReturnType<typeof scene>>, 'alice' | 'bob'>) {
  await square.elapse(announce(alice, 'plant/load', 'honest'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), ['alice plant/load: honest']);
}

/** A frame that `signerName` signs and says to be of `senderName`, under keys of its own. */
async function forged(
  senderName: string,
  signerName: string,
  {
    ratchetId = nodeCrypto.random(16),
    seq = 0,
    ...more
  }: Partial<LabelPlan> & { ratchetId?: Uint8Array; seq?: number } = {},
): Promise<Uint8Array> {
  const [{ id }, { signer }] = [await identityOf(senderName), await identityOf(signerName)];
  const ratchet = new SendingRatchet(nodeCrypto, { ratchetId, seq, chainKey: nodeCrypto.random(32) });
  const hash = nodeCrypto.sha256(new TextEncoder().encode('version 1')).subarray(0, 16);
  const plan: LabelPlan = {
    ...{ kind: KIND.message, senderId: id, rosterName: 'works', topic: 'plant/load', channel: 'plant' },
    ...{ expiresAtS: null, issuedAtS: NOW_MS / 1000, roster: { version: 1, hash }, head: null },
    ...more,
  };
  const payload = new TextEncoder().encode('forged');
  const body = encodeMessage({ stream: new Uint8Array(8), n: 0, timeMs: NOW_MS, contentType: 42, payload });
  const draft = draftFrame(nodeCrypto, ratchet, plan, body);
  return draft.finish(toLowS(await signer.sign(draft.toBeSigned))).bytes;
}

test('N16: a member that is no writer, and a stranger, publish in the channel: nobody opens it', {
  timeout,
}, async () => {
  await using square = new Square();
  const parts = await scene(square);
  await assertHonest(square, parts);
  const raw = async (payload: Uint8Array): Promise<void> => square.broker.publishRaw({ topic: 'plant/load', payload });
  await raw(await forged('carol', 'carol'));
  await raw(await forged('notary', 'notary'));
  // Under the writer’s own ratchet, with a key that is not hers.
  const seen = square.broker.seen.find(({ topic }) => topic === 'plant/load');
  const ratchetId = seen && labelOf(seen)?.ratchetId;
  assert.ok(ratchetId);
  await raw(await forged('alice', 'carol', { ratchetId, seq: 1 }));
  await raw(await forged('alice', 'alice', { ratchetId, seq: 1, topic: 'office/door' }));
  await square.elapse(until(() => refusedIn(parts.bob).length === 4));
  assert.deepEqual(refusedIn(parts.bob), ['not-allowed', 'not-allowed', 'signature-invalid', 'wrong-topic']);
  await assertHonest(square, parts);
});

test('N12 N10: a genuine frame on another topic, or in an inbox it was not for, says nothing there', {
  timeout,
}, async () => {
  await using square = new Square();
  const parts = await scene(square);
  await assertHonest(square, parts);
  const seen = square.broker.seen.find(({ topic }) => topic === 'plant/load');
  assert.ok(seen);
  await square.broker.publishRaw({ topic: 'plant/valve', payload: seen.payload });
  await square.broker.replay(seen);
  await square.elapse(until(() => refusedIn(parts.bob).length === 2));
  assert.deepEqual(refusedIn(parts.bob), ['wrong-topic', 'replayed']);
  await assertHonest(square, parts);
});

test('N18: padded, what is sealed shows neither how long it is nor how many', { timeout }, async () => {
  await using square = new Square();
  const { alice, bob } = await scene(square, { paddingBytes: 1024 });
  const texts = ['a', 'b'.repeat(700), 'c'];
  for (const text of texts) await square.elapse(announce(alice, 'plant/load', text));
  await square.elapse(Promise.all(['d', 'e'.repeat(100), 'f'].map((text) => announce(alice, 'plant/load', text))));
  await square.elapse(overhear(bob, 6));
  const sizes = square.broker.seen.filter(({ topic }) => topic === 'plant/load').map(({ payload }) => payload.length);
  assert.deepEqual([sizes.length, new Set(sizes).size], [4, 1]);
});

test('N20: a broker that alters, drops, doubles, delays and re-topics: all of it arrives once, in order', {
  timeout,
}, async () => {
  await using square = new Square();
  const parts = await scene(square, { confirmers: 'all', batchMax: 1 });
  const { alice, bob, carol } = parts;
  await square.elapse(announce(alice, 'plant/load', '-1', { until: 'delivered' }));
  let count = 0;
  const late: (() => void)[] = [];
  square.broker.tamper((published, deliver) => {
    count += 1;
    if (published.topic !== 'plant/load') return deliver(published);
    if (count % 5 === 0) return;
    if (count % 5 === 1)
      deliver({ ...published, payload: flipped(published.payload, count % published.payload.length) });
    if (count % 5 === 2) late.push(() => deliver(published));
    if (count % 5 === 3) deliver({ ...published, topic: 'plant/valve' });
    deliver(published);
    deliver(published);
    if (count % 7 === 0) for (const one of late.splice(0)) one();
  });
  const texts = numbered(40);
  await square.elapse(
    Promise.all(texts.map((text) => announce(alice, 'plant/load', text, { until: 'delivered', waitMs: 60_000 }))),
  );
  square.broker.tamper();
  const expected = ['-1', ...texts].map((text) => `alice plant/load: ${text}`);
  assert.deepEqual(await square.elapse(overhear(bob, 41)), expected);
  assert.deepEqual(await square.elapse(overhear(carol, 41)), expected);
  assert.ok(!square.broker.seen.some(({ payload }) => Buffer.from(payload).includes(texts[7] ?? 'none')));
  await assertHonest(square, parts);
});

test('N21: frames under a roster that is withheld wait for it, in bounds', {
  timeout,
}, async () => {
  await using square = new Square();
  const [newer, older] = [
    await TestRoster.of({ channels: [channelOf()] }),
    await TestRoster.of({ channels: [channelOf()] }),
  ];
  await newer.change({ channels: [channelOf()] });
  const alice = await enterChannels(square, newer, 'alice');
  const bob = await enterChannels(square, older, 'bob');
  for (const text of numbered(300)) await square.elapse(announce(alice, 'plant/load', text));
  assert.deepEqual(refusedIn(bob), []);
  await older.change({ channels: [channelOf()] });
  const first = await square.elapse(overhear(bob, 256));
  assert.equal(first[0], 'alice plant/load: message 0');
});

test('N21: a writer that lacks the roster which the ledger’s blocks name stops writing', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf()] });
  const submit = (): Promise<never> => Promise.reject(new Error('nobody logs here'));
  const sink = { head: null, newestRoster: { version: 2, hash: new Uint8Array(16) }, submit };
  const alice = await enterChannels(square, roster, 'alice', { sink });
  await assert.rejects(square.elapse(announce(alice, 'plant/load', 'for whom?')), { code: 'roster-behind' });
  assert.ok(!square.broker.seen.some(({ topic }) => topic === 'plant/load'));
  // Another one of our own version: the authority, or the notary, shows two histories.
  sink.newestRoster = { version: 1, hash: new Uint8Array(16) };
  await assert.rejects(square.elapse(announce(alice, 'plant/load', 'for whom?')), { code: 'roster-forked' });
});

test('N24: a reader that never confirms stalls neither the writer nor the others', { timeout }, async () => {
  await using square = new Square();
  const parts = await scene(square, { confirmers: 'all', batchMax: 1 });
  const { alice, bob } = parts;
  await square.elapse(announce(alice, 'plant/load', 'first', { until: 'delivered' }));
  const { id } = await identityOf('carol');
  square.broker.tamper((published, deliver) => {
    if (published.from !== 'carol' || !isInbox(published, 'frames')) deliver(published);
  });
  for (const text of numbered(600)) await square.elapse(announce(alice, 'plant/load', text));
  await square.elapse(overhear(bob, 601));
  assert.ok(alice.channelEvents.some(({ type }) => type === 'unconfirmed'));
  await assert.rejects(square.elapse(announce(alice, 'plant/load', 'last', { until: 'delivered' })), {
    code: 'peer-offline',
  });
  assert.equal(id.length, 32);
  square.broker.tamper();
});

test('N24: a silent reader, and senders that wait for it: once their time is up, it stalls nothing any more', {
  timeout,
}, async () => {
  await using square = new Square();
  const { alice, bob } = await scene(square, { confirmers: 'all', batchMax: 1 });
  await square.elapse(announce(alice, 'plant/load', 'first', { until: 'delivered' }));
  square.broker.tamper((published, deliver) => {
    if (published.from !== 'carol' || !isInbox(published, 'frames')) deliver(published);
  });
  const texts = numbered(400);
  const startMs = square.nowMs;
  const waits = texts.map((text) => announce(alice, 'plant/load', text, { until: 'delivered', waitMs: 5_000 }));
  const ended = await square.elapse(Promise.allSettled(waits));
  assert.ok(ended.every((end) => end.status === 'rejected' && end.reason.code === 'peer-offline'));
  await square.elapse(announce(alice, 'plant/load', 'next'));
  const expected = ['first', ...texts, 'next'].map((text) => `alice plant/load: ${text}`);
  assert.deepEqual(await square.elapse(overhear(bob, 402)), expected);
  // Far from when frames are given up that somebody waits for.
  assert.ok(square.nowMs - startMs < 60_000, `${square.nowMs - startMs}`);
  square.broker.tamper();
  await square.elapse(announce(alice, 'plant/load', 'last', { until: 'delivered' }));
});

test('N24 N12: a member that may not read confirms in a reader’s place: nothing is settled by it', {
  timeout,
}, async () => {
  await using square = new Square();
  const parts = await scene(square, { readers: ['bob'], confirmers: 'any' });
  const { alice, bob, carol } = parts;
  await square.elapse(announce(alice, 'plant/load', 'first', { until: 'delivered' }));
  const session = await square.elapse(carol.bus.session({ id: alice.identity.id, name: 'alice' }));
  square.broker.tamper((published, deliver) => {
    if (published.from !== 'alice') deliver(published);
  });
  let settled = false;
  const sent = announce(alice, 'plant/load', 'second', { until: 'delivered', waitMs: 600_000 });
  const done = sent.then(() => {
    settled = true;
  });
  const frames = () => square.broker.seen.filter(({ topic }) => topic === 'plant/load');
  await square.elapse(until(() => frames().length === 2));
  const seen = frames().at(-1);
  const label = seen && labelOf(seen);
  assert.ok(label);
  const labelsHash = hashLabels(nodeCrypto, [new TreeHasher(nodeCrypto).leaf(label.bytes)]);
  const { ratchetId, seq } = label;
  const receipt = { senderId: alice.identity.id, ratchetId, ranges: toRanges([seq]), labelsHash };
  await square.elapse(session.sendReceipt(encodeDeliveryReceipt(receipt)));
  await square.elapse(until(() => settled || refusedIn(alice).length === 1));
  assert.deepEqual([refusedIn(alice), settled], [['not-allowed'], false]);
  square.broker.tamper();
  await square.elapse(done);
  assert.deepEqual(await square.elapse(overhear(bob, 2)), ['alice plant/load: first', 'alice plant/load: second']);
});

test('N24: a reader asks for a former ratchet’s keys that are not for it, again and again: bounded work, and no keys', {
  timeout,
}, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ rotateAfterFrames: 2 })] });
  const alice = await enterChannels(square, roster, 'alice');
  const bob = await enterChannels(square, roster, 'bob');
  // Carol is owed the keys of both ratchets, so that both are kept.
  for (const text of ['one', 'two', 'three']) {
    await square.elapse(announce(alice, 'plant/load', text, { retain: true }));
  }
  await square.elapse(overhear(bob, 3));
  const frames = () => square.broker.seen.filter(({ topic }) => topic === 'plant/load');
  const [seen] = frames();
  const former = seen && labelOf(seen)?.ratchetId;
  assert.ok(former);
  const names = ['alice', 'bob', 'carol', 'notary'];
  await roster.change({ channels: [channelOf({ readers: ['bob', 'carol', 'notary'] })], names });
  const late = await enterChannels(square, roster, 'notary');
  const session = await square.elapse(late.bus.session({ id: alice.identity.id, name: 'alice' }));
  assert.deepEqual(await square.elapse(overhear(late, 1)), ['alice plant/load: three']);
  const before = frames().length;
  const request = encodeGrantRequest({ channel: 'plant', ratchetId: former, seq: 0 });
  for (let count = 0; count < 50; count++) await square.elapse(session.sendControl(KIND.grantRequest, request));
  await square.wait(5_000);
  assert.equal(frames().length, before);
  await square.broker.replay(seen);
  await square.elapse(announce(alice, 'plant/load', 'honest'));
  for (const reader of [bob, late]) {
    assert.deepEqual(await square.elapse(overhear(reader, 1)), ['alice plant/load: honest']);
  }
});

test('a key that was revoked: what it signs is refused from then on', { timeout }, async () => {
  await using square = new Square();
  const { roster, alice, bob, ...rest } = await scene(square);
  await assertHonest(square, { alice, bob, ...rest });
  const seen = square.broker.seen.find(({ topic }) => topic === 'plant/load');
  const ratchetId = seen && labelOf(seen)?.ratchetId;
  assert.ok(ratchetId);
  const { id } = await identityOf('alice');
  await roster.change({ channels: [channelOf()], revocations: [{ id, timeS: NOW_MS / 1000, sinceIndex: null }] });
  await square.broker.publishRaw({
    topic: 'plant/load',
    payload: await forged('alice', 'alice', { ratchetId, seq: 1 }),
  });
  await square.elapse(until(() => refusedIn(bob).length === 1));
  assert.deepEqual(refusedIn(bob), ['identity-revoked']);
});

test('N15: what anybody has a broker keep on a roster’s topic or on ours changes nothing', { timeout }, async () => {
  await using square = new Square();
  const garbage = new Uint8Array(100).fill(7);
  for (const topic of [rosterTopic('works', 1), rosterTopic('works', 2), 'plant/load']) {
    await square.broker.publishRaw({ topic, payload: garbage, retained: true });
  }
  await assertHonest(square, await scene(square));
});
