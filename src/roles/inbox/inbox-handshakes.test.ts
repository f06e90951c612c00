import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forged2, two } from '../../../test/support/inbox-attacks.ts';
import { enter, InboxNet, type Parcel } from '../../../test/support/inbox-net.ts';
import { refused } from '../../../test/support/refused.ts';
import { identityOf, pinsOf } from '../../../test/support/session-pair.ts';
import { bytesToHex, equalBytes } from '../../core/bytes.ts';
import { decodeEnvelope, encodeEnvelope } from '../../core/handshake/envelope.ts';
import { decodeErrorMessage, encodeErrorMessage } from '../../core/handshake/error-message.ts';
import { decodeMessage1, encodeMessage1 } from '../../core/handshake/message-1.ts';
import { presentChain } from '../../core/handshake/own.ts';
import { receiveMessage1, type WaitingForMessage3 } from '../../core/handshake/responder.ts';
import { suite2 } from '../../core/handshake/suites.ts';
import { TUNING } from '../../core/limits.ts';
import { nodeCrypto, nodeVerifier } from '../../node/crypto.ts';
import { INBOX_TUNING } from './inbox-tuning.ts';

const timeout = 60_000;
const { replyPauseMs } = INBOX_TUNING;

/** A well-formed message_1 of nobody. */
function stray(suites: readonly number[] = [5], method = 0): Uint8Array {
  const { publicX } = nodeCrypto.generateEphemeral();
  const message = encodeMessage1({ method, suites, publicX, connectionId: nodeCrypto.random(8) });
  return encodeEnvelope({ connectionId: null, message });
}

function first(net: InboxNet): Parcel {
  const [parcel] = net.sent;
  assert.ok(parcel);
  return parcel;
}

test('a duplicate is answered by the same bytes, and no more often than the pause allows', { timeout }, async () => {
  const { net, alice, bob } = await two();
  net.fate = () => [];
  const near = assert.rejects(alice.handshakes.initiate(bob.id, 'bob'));
  const message1 = first(net);
  const answers = (): string[] =>
    net.sent.filter(({ from }) => equalBytes(from, bob.id)).map(({ unit }) => bytesToHex(unit));
  for (let n = 0; n < 100; n++) await net.inject(message1);
  assert.equal(answers().length, 1);
  net.clock.advance(replyPauseMs - 1);
  await net.inject(message1);
  assert.equal(answers().length, 1);
  net.clock.advance(1);
  for (let n = 0; n < 100; n++) await net.inject(message1);
  assert.equal(answers().length, 2);
  assert.equal(new Set(answers()).size, 1);
  assert.equal(bob.handshakes.halfOpen, 1);
  await net.elapse(near);
});

test('copies under other addresses are handshakes of their own, and cost the first none of its answers', {
  timeout,
}, async () => {
  const { net, alice, bob } = await two();
  net.fate = () => [];
  const near = assert.rejects(alice.handshakes.initiate(bob.id, 'bob'));
  const message1 = first(net);
  await net.inject({ ...message1, from: new Uint8Array(32).fill(9) });
  await net.inject(message1);
  const answers = net.envelopes(bob.id, alice.id);
  assert.equal(answers.length, 1);
  assert.equal(bob.handshakes.halfOpen, 2);
  await net.elapse(near);
});

test('message_3 and its answer go again for a duplicate of what they answer', { timeout }, async () => {
  const { net, alice, bob } = await two();
  const near = await net.elapse(alice.handshakes.initiate(bob.id, 'bob'));
  const [, message2, message3, message4] = net.sent;
  assert.ok(message2 && message3 && message4);
  net.clock.advance(replyPauseMs);
  await net.inject(message3);
  assert.deepEqual(net.sent.at(-1)?.unit, message4.unit);
  // In another name, the answer still goes to the one who was proven.
  net.clock.advance(replyPauseMs);
  await net.inject({ ...message3, from: new Uint8Array(32).fill(9) });
  assert.deepEqual(net.sent.at(-1)?.to, alice.id);
  assert.equal(net.sent.length, 6);
  assert.equal(bob.sessions.length, 1);
  assert.deepEqual(near.start.sessionId, bob.sessions[0]?.start.sessionId);

  net.fate = (parcel) => (net.sent.length === 9 ? [] : [parcel]);
  const again = alice.handshakes.initiate(bob.id, 'bob');
  await net.settle();
  const [, , , , , , , second, third] = net.sent;
  assert.ok(second && third);
  net.clock.advance(replyPauseMs);
  await net.inject(second);
  assert.deepEqual(net.sent[9]?.unit, third.unit);
  await net.elapse(again);
  assert.equal(bob.sessions.length, 2);
});

test('answers that come while one is judged wait, a few of them', { timeout }, async () => {
  const net = new InboxNet();
  const judging = Promise.withResolvers<void>();
  const alice = await enter(net, 'alice', {
    tuning: { answers: { burst: 1000, perSecond: 1 } },
    anchors: async () => {
      await judging.promise;
      return await pinsOf(['bob']);
    },
  });
  const bob = await enter(net, 'bob');
  const near = alice.handshakes.initiate(bob.id, 'bob');
  const [begun] = net.envelopes(alice.id, bob.id);
  assert.ok(begun);
  const forged = forged2(begun.message, bob.identity);
  const taken = Array.from({ length: 500 }, () => net.inject({ from: bob.id, to: alice.id, unit: forged }));
  judging.resolve();
  await Promise.all(taken);
  assert.ok(alice.work.ecdh <= 5, `${alice.work.ecdh} ECDH`);
  const { start } = await net.elapse(near);
  assert.deepEqual(start.sessionId, bob.sessions[0]?.start.sessionId);
});

test('half-open handshakes are bounded in all and for each sender, and are told about once', { timeout }, async () => {
  const net = new InboxNet();
  const bob = await enter(net, 'bob', { tuning: { beginningsPerSender: { burst: 1000, perSecond: 1 } } });
  net.fate = () => [];
  const begin = async (from: number): Promise<void> => {
    await net.inject({ from: new Uint8Array(32).fill(from), to: bob.id, unit: stray() });
  };
  for (let n = 0; n < 20; n++) await begin(1);
  assert.equal(bob.handshakes.halfOpen, INBOX_TUNING.halfOpenPerSenderMax);
  assert.deepEqual(bob.refused, ['overloaded']);
  for (let n = 2; n < 200; n++) {
    net.clock.advance(40);
    await begin(n);
  }
  assert.equal(bob.handshakes.halfOpen, TUNING.halfOpenMax);
  assert.deepEqual(new Set(bob.refused), new Set(['overloaded']));
  assert.ok(bob.refused.length <= 10, `${bob.refused.length} reports in 8 s`);
  await net.wait(TUNING.handshakeTimeoutMs);
  assert.equal(bob.handshakes.halfOpen, 0);
  assert.equal(net.clock.pending, 0);
});

test('whom we have met ourselves is known too: strangers do not keep that one out', { timeout }, async () => {
  const net = new InboxNet();
  const alice = await enter(net, 'alice', { tuning: { beginnings: { burst: 1, perSecond: 0 } } });
  const bob = await enter(net, 'bob');
  await net.elapse(alice.handshakes.initiate(bob.id, 'bob'));
  for (let n = 0; n < 3; n++) {
    await net.inject({ from: new Uint8Array(32).fill(n), to: alice.id, unit: stray() });
  }
  assert.equal(alice.handshakes.halfOpen, 1);
  await net.elapse(bob.handshakes.initiate(alice.id, 'alice'));
  assert.equal(alice.sessions.length, 1);
});

test('a message_1 that cannot be answered is told of; what is none is not', { timeout }, async () => {
  const { net, alice, bob } = await two();
  const from = alice.id;
  await net.inject({ from, to: bob.id, unit: stray([5], 3) });
  assert.deepEqual(bob.refused, ['unsupported']);
  const junk = [
    new Uint8Array(0),
    new Uint8Array(20_000),
    encodeEnvelope({ connectionId: null, message: new Uint8Array(40) }),
    encodeEnvelope({ connectionId: new Uint8Array(8), message: new Uint8Array(40) }),
    encodeEnvelope({ connectionId: new Uint8Array(0), message: new Uint8Array(40) }),
  ];
  for (const unit of junk) await net.inject({ from, to: bob.id, unit });
  assert.deepEqual(bob.refused, ['unsupported']);
  assert.deepEqual([net.sent.length, bob.handshakes.halfOpen, net.clock.pending], [0, 0, 0]);
});

test('a suite that is not spoken is answered by those that are', { timeout }, async () => {
  const { net, alice, bob } = await two();
  await net.inject({ from: alice.id, to: bob.id, unit: stray([3]) });
  const [answer] = net.envelopes(bob.id, alice.id);
  assert.ok(answer);
  assert.deepEqual(decodeErrorMessage(answer.message), { kind: 'wrong-suite', suites: [5, 2] });
  assert.equal(bob.handshakes.halfOpen, 0);
});

/** A peer of another make, which speaks suite 2 alone; gives whom it met. */
async function oldFashioned(net: InboxNet, name: string): Promise<{ readonly id: Uint8Array; readonly met: string[] }> {
  const { id, signer, certificates } = await identityOf(name);
  const options = {
    crypto: nodeCrypto,
    suites: [suite2(nodeCrypto)],
    own: presentChain(signer.publicKey, certificates),
  };
  const met: string[] = [];
  let waiting: WaitingForMessage3 | undefined;
  net.join(id, async (from, unit) => {
    const { connectionId, message } = decodeEnvelope(unit);
    const answer = (to: Uint8Array, bytes: Uint8Array): void =>
      net.send({ from: id, to: from, unit: encodeEnvelope({ connectionId: to, message: bytes }) });
    if (connectionId) {
      const peer = await identityOf('alice');
      const claim = waiting?.receive(message);
      const check = claim?.identify({ publicKey: peer.signer.publicKey, accepted: true });
      assert.ok(waiting && check);
      const valid = await nodeVerifier(check.publicKey).verify(check.toBeVerified, check.signature);
      answer(waiting.peerConnectionId, check.finish(valid).message4);
      met.push(peer.name);
      return;
    }
    const result = receiveMessage1(options, message);
    if (result.kind === 'wrong-suite') answer(result.peerConnectionId, result.errorMessage);
    else {
      waiting = result.draft.finish(await signer.sign(result.draft.toBeSigned));
      answer(waiting.peerConnectionId, waiting.message2);
    }
  });
  return { id, met };
}

test('a peer that speaks the other suite only is met by one more try', { timeout }, async () => {
  const net = new InboxNet();
  const alice = await enter(net, 'alice');
  const bob = await oldFashioned(net, 'bob');
  const { start } = await net.elapse(alice.handshakes.initiate(bob.id, 'bob'));
  assert.equal(start.peer.name, 'bob');
  assert.deepEqual(bob.met, ['alice']);
  const suites = net
    .envelopes(alice.id, bob.id)
    .filter(({ connectionId }) => connectionId === null)
    .map(({ message }) => decodeMessage1(message).suites);
  assert.deepEqual(suites, [[5], [5, 2]]);
});

test('forged answers about suites lead to one more try at most, and the first is finished', { timeout }, async () => {
  const { net, alice, bob } = await two();
  net.fate = () => [];
  const near = alice.handshakes.initiate(bob.id, 'bob');
  const { message } = decodeEnvelope(first(net).unit);
  const { connectionId } = decodeMessage1(message);
  const forge = (suites: readonly number[]): Promise<void> =>
    net.inject({
      from: bob.id,
      to: alice.id,
      unit: encodeEnvelope({ connectionId, message: encodeErrorMessage({ kind: 'wrong-suite', suites }) }),
    });
  for (let n = 0; n < 20; n++) await forge([2]);
  const begun = new Set(net.envelopes(alice.id, bob.id).map((envelope) => bytesToHex(envelope.message)));
  assert.equal(begun.size, 2);
  net.fate = (parcel) => [parcel];
  const { start } = await net.elapse(near);
  assert.deepEqual(start.sessionId, bob.sessions[0]?.start.sessionId);
  await net.wait(TUNING.handshakeTimeoutMs);
  assert.equal(bob.sessions.length, 1);
});

test('no suite in common, it says: that is the error where nothing else comes', { timeout }, async () => {
  const { net, alice, bob } = await two();
  net.fate = () => [];
  const near = refused(
    net.elapse(alice.handshakes.initiate(bob.id, 'bob')),
    'unsupported',
    /offers cipher suites 6, 7/,
  );
  const { connectionId } = decodeMessage1(decodeEnvelope(first(net).unit).message);
  const message = encodeErrorMessage({ kind: 'wrong-suite', suites: [6, 7] });
  await net.inject({ from: bob.id, to: alice.id, unit: encodeEnvelope({ connectionId, message }) });
  await near;
});

test('noise in place of an answer: `handshake-failed`, not that nobody is there', { timeout }, async () => {
  const { net, alice, bob } = await two();
  net.fate = () => [];
  const near = refused(net.elapse(alice.handshakes.initiate(bob.id, 'bob')), 'handshake-failed', /was not its answer/);
  const { connectionId } = decodeMessage1(decodeEnvelope(first(net).unit).message);
  for (const message of [Uint8Array.of(0x42, 1, 2), Uint8Array.of(1), new Uint8Array(0)]) {
    await net.inject({ from: bob.id, to: alice.id, unit: encodeEnvelope({ connectionId, message }) });
  }
  await near;
});
