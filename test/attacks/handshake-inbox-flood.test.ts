import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SealwireError } from '../../src/core/errors.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { encodeErrorMessage } from '../../src/core/handshake/error-message.ts';
import { decodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { TUNING } from '../../src/core/limits.ts';
import { INBOX_TUNING } from '../../src/roles/inbox/inbox-tuning.ts';
import { flipped } from '../support/forged-frame.ts';
import {
  assertSame,
  ERRORS,
  forged1,
  forged2,
  honestHandshake,
  isFrom,
  strangerId,
  two,
} from '../support/inbox-attacks.ts';
import { enter, InboxNet, type Parcel } from '../support/inbox-net.ts';
import { member } from '../support/ledger.ts';

const timeout = 60_000;
const FLOOD = 10_000;

test('N19 N25: 10,000 forged message_1 at once: a bounded table, bounded work, and whoever is honest gets in', {
  timeout,
}, async () => {
  const net = new InboxNet();
  const alice = await enter(net, 'alice');
  // Half a token each 20 ms: a wave of the flood takes all that there is.
  const { burst, perSecond } = { burst: INBOX_TUNING.beginnings.burst, perSecond: 25 };
  const bob = await enter(net, 'bob', { tuning: { beginnings: { burst, perSecond } } });
  const parts = { net, alice, bob };
  const carol = await enter(net, 'carol');
  for (let n = 0; n < FLOOD; n++) {
    await net.inject({ from: n % 2 === 0 ? strangerId(n) : carol.id, to: bob.id, unit: forged1() });
  }
  assert.ok(bob.handshakes.halfOpen <= burst, `${bob.handshakes.halfOpen} half-open`);
  assert.ok(net.sent.length <= burst, `${net.sent.length} answers`);
  assert.deepEqual([bob.work.ecdh, bob.work.sign, bob.work.verify], [burst, burst, 0]);
  assert.deepEqual(bob.refused, ['overloaded'], 'told once');
  // Afterwards everybody is served, also the one in whose name half of it came.
  const begin = net.clock.now();
  await honestHandshake(parts);
  assertSame(await net.elapse(carol.handshakes.initiate(bob.id, 'bob')), bob.sessions.at(-1));
  assert.ok(net.clock.now() - begin < TUNING.handshakeTimeoutMs / 2);

  // While it goes on, who has proven itself before gets through, and half-open handshakes stay bounded.
  const [signed, sent] = [bob.work.sign, net.sent.length];
  let [flooded, isOver, most] = [0, false, 0];
  const started = net.clock.now();
  const flood = (): void => {
    for (let n = 0; n < 40 && !isOver; n++) {
      flooded += 1;
      void net.inject({ from: strangerId(FLOOD + flooded), to: bob.id, unit: forged1() });
    }
    most = Math.max(most, bob.handshakes.halfOpen);
    if (!isOver) net.clock.after(20, flood);
  };
  flood();
  await net.wait(3_000);
  // Just after a wave of the flood, which has taken what there was to take.
  net.fate = (parcel) => [{ ...parcel, delayMs: 301 }];
  const asked = net.clock.now();
  const near = await net.elapse(alice.handshakes.initiate(bob.id, 'bob'));
  isOver = true;
  assert.ok(net.clock.now() - asked < 5 * 301, 'four messages, at the first try');
  assertSame(near, bob.sessions.at(-1));
  const seconds = (net.clock.now() - started) / 1000;
  assert.ok(flooded > 5_000 && seconds > 3);
  assert.ok(most <= TUNING.halfOpenMax, `${most} half-open`);
  const bound = burst + perSecond * seconds + 1;
  assert.ok(bob.work.sign - signed <= bound, `${bob.work.sign - signed} signatures`);
  assert.ok(net.sent.length - sent <= bound + 5, `${net.sent.length - sent} units for ${flooded}`);
});

test('N25: 10,000 forged answers cost a handful of checks, and the genuine one is taken afterwards', {
  timeout,
}, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  net.fate = () => [];
  const near = alice.handshakes.initiate(bob.id, 'bob');
  const [message1] = net.envelopes(alice.id, bob.id);
  assert.ok(message1);
  // Well made, with Bob's certificate; a hundred are enough to go round. One by one, and all at once.
  const units = Array.from({ length: 100 }, () => forged2(message1.message, bob.identity));
  const unit = (n: number): Uint8Array => units[n % units.length] ?? new Uint8Array();
  for (let n = 0; n < FLOOD / 2; n++) await net.inject({ from: bob.id, to: alice.id, unit: unit(n) });
  for (let n = 0; n < FLOOD / 2; n++) void net.inject({ from: bob.id, to: alice.id, unit: unit(n) });
  await net.settle();
  assert.ok(alice.work.ecdh > 0 && alice.work.ecdh <= INBOX_TUNING.answers.burst, `${alice.work.ecdh} ECDH`);
  // A signature of the certificate's issuer, and one of the handshake.
  assert.ok(alice.work.verify <= 2 * INBOX_TUNING.answers.burst, `${alice.work.verify} verified`);
  assert.equal(net.envelopes(alice.id, bob.id).length, 1, 'nothing was answered');
  net.fate = (parcel) => [parcel];
  assertSame(await net.elapse(near), bob.sessions[0]);
});

test('N25: answers in the name of others reach nobody who did not ask them', { timeout }, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  net.fate = () => [];
  const near = alice.handshakes.initiate(bob.id, 'bob');
  const [message1] = net.envelopes(alice.id, bob.id);
  assert.ok(message1);
  await net.inject({ from: strangerId(1), to: alice.id, unit: forged2(message1.message, bob.identity) });
  assert.equal(alice.work.ecdh, 0);
  net.fate = (parcel) => [parcel];
  assertSame(await net.elapse(near), bob.sessions[0]);
});

test('N25: forged and repeated message_3 are checked by their tag alone, or a few times', { timeout }, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  let message3: Parcel | undefined;
  net.fate = (parcel) => {
    if (!isFrom(alice, parcel) || !decodeEnvelope(parcel.unit).connectionId) return [parcel];
    message3 = parcel;
    return [];
  };
  const near = alice.handshakes.initiate(bob.id, 'bob');
  await net.settle();
  const genuine = message3;
  assert.ok(genuine);
  const [before, sent] = [bob.work.verify, net.sent.length];
  for (let n = 0; n < FLOOD; n++) {
    const at = genuine.unit.length - 1 - (n % 400);
    await net.inject({ ...genuine, unit: flipped(genuine.unit, at, n % 8) });
  }
  assert.deepEqual([bob.work.verify, net.sent.length, bob.handshakes.halfOpen], [before, sent, 1]);
  net.fate = (parcel) => [parcel];
  assertSame(await net.elapse(near), bob.sessions[0]);

  // Who is not trusted but began itself has a message_3 that opens: it is judged a few times, and no more.
  const stranger = { name: 'mallory', ...(await member('mallory', 81)) };
  const mallory = await enter(net, 'carol', { identity: stranger, isAway: true });
  net.join(stranger.id, (from, unit) => mallory.handshakes.take(from, unit));
  const tried = mallory.handshakes.initiate(bob.id, 'bob').catch((error: unknown) => error);
  await net.settle();
  const hers = net.sent.findLast((parcel) => isFrom({ id: stranger.id }, parcel));
  assert.ok(hers && decodeEnvelope(hers.unit).connectionId);
  const [verified, answered] = [bob.work.verify, net.sent.length];
  for (let n = 0; n < FLOOD; n++) await net.inject(hers);
  assert.ok(bob.work.verify - verified <= 8, `${bob.work.verify - verified} verified`);
  assert.ok(net.sent.length - answered <= 4, `${net.sent.length - answered} answers`);
  assert.deepEqual(bob.refused, ['identity-unknown']);
  assert.ok((await net.elapse(tried)) instanceof SealwireError);
  await honestHandshake(parts);
});

test('N25: duplicates and errors by the thousand bring out no more than went in, and that slowly', {
  timeout,
}, async () => {
  const parts = await two();
  const { net, alice, bob } = parts;
  await honestHandshake(parts);
  const [message1, , message3] = net.sent;
  assert.ok(message1 && message3);
  const own = decodeMessage1(decodeEnvelope(message1.unit).message).connectionId;
  const errors = ERRORS.map((error) => encodeEnvelope({ connectionId: own, message: encodeErrorMessage(error) }));
  const before = net.sent.length;
  const started = net.clock.now();
  for (let n = 0; n < FLOOD; n++) {
    await net.inject(message1);
    await net.inject(message3);
    for (const unit of errors) await net.inject({ from: bob.id, to: alice.id, unit });
    if (n % 100 === 0) net.clock.advance(20);
  }
  const most = (net.clock.now() - started) / INBOX_TUNING.replyPauseMs + 1;
  assert.ok(net.sent.length - before <= most, `${net.sent.length - before} of ${most}`);
  assert.equal(bob.sessions.length, 1);
  await honestHandshake(parts);
});
