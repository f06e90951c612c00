import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeReaderState } from '../../src/core/channel/reader-state.ts';
import { HELD_BOUNDS } from '../../src/core/channel/store.ts';
import { WriterRatchet } from '../../src/core/channel/writer-ratchet.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { encodeMessage, joinBody } from '../../src/core/frame/body.ts';
import { joinFrame, readFrame } from '../../src/core/frame/frame.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { receiveFrame } from '../../src/core/frame/open.ts';
import { draftFrame } from '../../src/core/frame/seal.ts';
import { KIND } from '../../src/core/kinds.ts';
import { ReceivingRatchet } from '../../src/core/ratchet/receiving.ts';
import { SendingRatchet } from '../../src/core/ratchet/sending.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { Published } from '../../src/roles/memory-broker.ts';
import { isInbox, labelOf, overhear, Square } from '../support/bus.ts';
import { announce, type ChannelVisitor, channelOf, enterChannels, refusedIn, TestRoster } from '../support/channels.ts';
import { flipped, relabelled } from '../support/forged-frame.ts';
import { planOf, SENDER, signAs } from '../support/frames.ts';
import { MemoryChannels } from '../support/memory-channels.ts';
import { numbered } from '../support/messages.ts';
import { identityOf } from '../support/session-pair.ts';

const timeout = 60_000;
const TOPIC = 'plant/load';
const sentences = (texts: readonly string[], from = 'alice'): string[] =>
  texts.map((text) => `${from} ${TOPIC}: ${text}`);

/** What was published in the channel, in order. */
function framesIn({ broker }: Square): Published[] {
  return broker.seen.filter(({ topic }) => topic === TOPIC);
}

/** True where a key, put at the frame's place, opens it: what somebody would try who has stolen it. */
function doesOpen(chainKey: Uint8Array, frame: Uint8Array): boolean {
  const { ratchetId, seq } = readFrame(frame).label;
  try {
    receiveFrame(frame).verified(true).open(nodeCrypto, new ReceivingRatchet(nodeCrypto, { ratchetId, seq, chainKey }));
    return true;
  } catch (error) {
    assert.ok(isSealwireError(error, 'mac-invalid'));
    return false;
  }
}

test('N14: what a reader has kept opens none of the recorded frames that it has read', { timeout }, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ readers: ['bob'], batchMax: 1 })] });
  const store = new MemoryChannels();
  const alice = await enterChannels(square, roster, 'alice');
  const bob = await enterChannels(square, roster, 'bob', { store });
  const texts = numbered(20);
  for (const text of texts) await square.elapse(announce(alice, TOPIC, text));
  assert.deepEqual(await square.elapse(overhear(bob, 20)), sentences(texts));
  await square.elapse(bob.bus.close());
  const [stolen, ...more] = store.ratchetsOf(alice.identity.id);
  assert.ok(stolen && more.length === 0);
  const { ratchet: saved, writer } = decodeReaderState(stolen.state);
  assert.deepEqual(writer.id, alice.identity.id);
  // The bare key too, at whatever place: the ratchet’s own refusal would be a matter of good manners.
  const keys = everyKeyIn(saved);
  assert.ok(keys.length > 0);
  for (const { payload } of framesIn(square)) {
    for (const key of keys) assert.ok(!doesOpen(key, payload));
    const restored = ReceivingRatchet.restore(nodeCrypto, saved);
    assert.throws(
      () => receiveFrame(payload).verified(true).open(nodeCrypto, restored),
      (error) => isSealwireError(error, 'replayed'),
    );
  }
  // It is the key of what follows, and honest traffic goes on.
  await square.elapse(announce(alice, TOPIC, 'next'));
  const last = framesIn(square).at(-1);
  assert.ok(last && keys.some((key) => doesOpen(key, last.payload)));
  const again = await enterChannels(square, roster, 'bob', { store }, 'bob again');
  await square.broker.replay(last);
  assert.deepEqual(await square.elapse(overhear(again, 1)), sentences(['next']));
});

/** All runs of 32 bytes in `state`, which is how long a key is. */
function everyKeyIn(state: Uint8Array): Uint8Array[] {
  return Array.from({ length: state.length - 31 }, (_, at) => state.subarray(at, at + 32));
}

test('N14: what a writer has kept opens nothing from before the oldest key that it owes', () => {
  const stream = new Uint8Array(8);
  const reader = (n: number): Uint8Array => new Uint8Array(32).fill(n);
  const writer = WriterRatchet.begin(nodeCrypto, { channel: 'plant', stream, n: 0, nowMs: 0, history: false });
  const frames: Uint8Array[] = [];
  const seal = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const content = joinBody([
        encodeMessage({ stream, n: frames.length, timeMs: 0, contentType: 0, payload: new Uint8Array(1) }),
      ]);
      const draft = draftFrame(nodeCrypto, writer.sending, planOf(KIND.message, { channel: 'plant' }), content);
      frames.push(draft.finish(signAs(SENDER, draft.toBeSigned)).bytes);
    }
  };
  /** The seqs of what opens with anything that the writer still has. */
  const opened = (): number[] => {
    const places = [writer.sending.position(), ...writer.entitledIds().flatMap((id) => writer.grantFor(id) ?? [])];
    return [...frames.keys()].filter((seq) =>
      places.some((place) => {
        const start = { ...place, ratchetId: writer.ratchetId };
        if (seq < start.seq) return doesOpen(start.chainKey, frames[seq] ?? stream);
        receiveFrame(frames[seq] ?? stream)
          .verified(true)
          .open(nodeCrypto, new ReceivingRatchet(nodeCrypto, start));
        return true;
      }),
    );
  };
  for (const n of [1, 2]) writer.entitle(reader(n), 0);
  seal(5);
  writer.entitle(reader(3), 5);
  seal(5);
  assert.deepEqual(opened(), [...frames.keys()]);
  for (const n of [1, 2]) writer.acknowledge(reader(n), 0);
  assert.deepEqual(opened(), [5, 6, 7, 8, 9]);
  writer.drop(reader(3));
  assert.deepEqual(opened(), []);
});

/** What a writer that means harm signs: a frame at any place of its ratchet, under any key. */
async function forgeAt(label: Label, seq: number): Promise<Uint8Array> {
  const { signer } = await identityOf('carol');
  const { kind, senderId, rosterName, topic, expiresAtS, issuedAtS, channel, roster, head, ratchetId } = label;
  const plan = { kind, senderId, rosterName, topic, expiresAtS, issuedAtS, channel, roster, head };
  const ratchet = new SendingRatchet(nodeCrypto, { ratchetId, seq, chainKey: nodeCrypto.random(32) });
  const draft = draftFrame(nodeCrypto, ratchet, plan, new Uint8Array(16));
  return draft.finish(await signer.sign(draft.toBeSigned)).bytes;
}

/** Alice and Carol write, Bob reads; he has the keys of both. */
async function twoWriters(square: Square): Promise<Record<'alice' | 'bob' | 'carol', ChannelVisitor>> {
  const channel = channelOf({ readers: ['bob'], writers: ['alice', 'carol'], batchMax: 1 });
  const roster = await TestRoster.of({ channels: [channel] });
  const alice = await enterChannels(square, roster, 'alice');
  const bob = await enterChannels(square, roster, 'bob');
  const carol = await enterChannels(square, roster, 'carol');
  for (const from of [alice, carol]) {
    await square.elapse(announce(from, TOPIC, 'first'));
    assert.deepEqual(await square.elapse(overhear(bob, 1)), sentences(['first'], from.identity.name));
  }
  return { alice, bob, carol };
}

test('N25: jumps of 2^31, signed by a member, cost one question and change nothing', { timeout }, async () => {
  await using square = new Square();
  const { alice, bob, carol } = await twoWriters(square);
  const genuine = framesIn(square)
    .map(labelOf)
    .find((label) => label && Buffer.from(label.senderId).equals(carol.identity.id));
  assert.ok(genuine);
  const before = square.broker.seen.length;
  for (let n = 0; n < 200; n++) {
    await square.broker.publishRaw({ topic: TOPIC, payload: await forgeAt(genuine, 2 ** 31 + n) });
  }
  await square.wait(30_000);
  assert.deepEqual(new Set(refusedIn(bob)), new Set(['skipped-too-far']));
  const asked = square.broker.seen.slice(before).filter((unit) => isInbox(unit, 'frames') && unit.from === 'bob');
  assert.ok(asked.length < 20, `${asked.length} units`);
  for (const from of [alice, carol]) {
    await square.elapse(announce(from, TOPIC, 'second'));
    assert.deepEqual(await square.elapse(overhear(bob, 1)), sentences(['second'], from.identity.name));
  }
});

test('N25: frames at the far end of what may be passed over, with a wrong HMAC, change nothing', {
  timeout,
}, async () => {
  await using square = new Square();
  const { bob, carol } = await twoWriters(square);
  const genuine = framesIn(square)
    .map(labelOf)
    .find((label) => label && Buffer.from(label.senderId).equals(carol.identity.id));
  assert.ok(genuine);
  for (let n = 0; n < 20; n++) {
    await square.broker.publishRaw({ topic: TOPIC, payload: await forgeAt(genuine, 2000 - n) });
  }
  await square.elapse(announce(carol, TOPIC, 'second'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), sentences(['second'], 'carol'));
  assert.deepEqual(refusedIn(bob), Array<string>(20).fill('mac-invalid'));
});

test('N25: a genuine label with a wrong body, again and again, does not use up the frame', { timeout }, async () => {
  await using square = new Square();
  const { alice, bob } = await twoWriters(square);
  square.broker.tamper((published, deliver) => {
    if (published.topic !== TOPIC) return deliver(published);
    const { label, body } = readFrame(published.payload);
    for (let n = 0; n < 100; n++)
      deliver({ ...published, payload: joinFrame(label.bytes, flipped(body, n % body.length)) });
    deliver(published);
  });
  await square.elapse(announce(alice, TOPIC, 'genuine'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), sentences(['genuine']));
  assert.deepEqual(refusedIn(bob), Array<string>(100).fill('body-mismatch'));
});

/** Counts what it is given to hold. */
class CountingChannels extends MemoryChannels {
  held = 0;

  override hold(...args: Parameters<MemoryChannels['hold']>): boolean {
    const isHeld = super.hold(...args);
    if (isHeld) this.held += 1;
    return isHeld;
  }
}

test('N25: a flood of frames before their grant fills what is set aside for it; who is honest is heard', {
  timeout,
}, async () => {
  await using square = new Square();
  const roster = await TestRoster.of({ channels: [channelOf({ readers: ['bob'], batchMax: 1 })] });
  const alice = await enterChannels(square, roster, 'alice');
  await square.elapse(announce(alice, TOPIC, 'before Bob came'));
  const [genuine] = framesIn(square);
  assert.ok(genuine);
  const store = new CountingChannels();
  const bob = await enterChannels(square, roster, 'bob', { store });
  const before = square.broker.seen.length;
  // While Alice's answers are kept from Bob, anybody can claim to be her.
  square.broker.tamper((published, deliver) => {
    if (published.from !== 'alice') deliver(published);
  });
  const { writerFramesMax } = HELD_BOUNDS;
  for (let n = 0; n < writerFramesMax + 500; n++) {
    const ratchetId = nodeCrypto.sha256(Uint8Array.of(n >> 8, n & 255)).subarray(0, 16);
    await square.broker.publishRaw({ topic: TOPIC, payload: relabelled(genuine.payload, { ratchetId, seq: n }) });
  }
  await square.wait(1000);
  assert.equal(store.held, writerFramesMax);
  assert.ok(bob.channelEvents.some(({ type }) => type === 'held-full'));
  const sent = square.broker.seen.slice(before).filter(({ from }) => from === 'bob');
  assert.ok(sent.length < 500, `${sent.length} units`);
  square.broker.tamper();
  await square.wait(60_000);
  await square.elapse(announce(alice, TOPIC, 'honest'));
  assert.deepEqual(await square.elapse(overhear(bob, 1)), sentences(['honest']));
});
