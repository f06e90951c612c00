import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  answer,
  conclude,
  IMPLEMENTATIONS,
  partyOf,
  person,
  proceed,
  runHandshake,
  settle,
} from '../../../test/support/handshake.ts';
import { utf8ToBytes } from '../bytes.ts';
import { type ErrorCode, isSealwireError } from '../errors.ts';
import { type InitiatorStart, startInitiator, type WaitingForMessage2 } from './initiator.ts';
import { receiveMessage1 } from './responder.ts';
import { suite5 } from './suites.ts';

const alice = person('Alice', 1);
const bob = person('Bob', 2);
const mallory = person('Mallory', 3);

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isSealwireError(error, code);
}

for (const implementation of IMPLEMENTATIONS) {
  const initiator = partyOf(implementation, alice, bob);
  const responder = partyOf(implementation, bob, alice);

  describe(`a handshake (${implementation.name})`, () => {
    test('gives both sides the same keys and the other’s identity', () => {
      const run = runHandshake(initiator, responder);
      assert.deepEqual(run.initiator.peer.publicKey, bob.publicKey);
      assert.deepEqual(run.initiator.peer.certificate, bob.certificate);
      assert.deepEqual(run.responder.peer.publicKey, alice.publicKey);
      assert.equal(run.initiator.suite, 5);
      assert.equal(run.initiator.initiatorConnectionId.length, 8);
      assert.deepEqual(run.initiator.responderConnectionId, run.responder.responderConnectionId);
      assert.deepEqual(run.initiator.initiatorConnectionId, run.responder.initiatorConnectionId);
      const context = utf8ToBytes('context');
      assert.deepEqual(run.initiator.exporter(32768, context, 64), run.responder.exporter(32768, context, 64));
      assert.notDeepEqual(run.initiator.exporter(32768, context, 64), run.initiator.exporter(32769, context, 64));
    });

    test('never gives the same keys twice', () => {
      const [first, second] = [runHandshake(initiator, responder), runHandshake(initiator, responder)];
      const context = new Uint8Array(0);
      assert.notDeepEqual(first.initiator.exporter(0, context, 32), second.initiator.exporter(0, context, 32));
    });

    test('presents a chain of certificates, of which only the first is the credential', () => {
      const issuer = utf8ToBytes('certificate of a CA');
      const certificates = [bob.certificate, issuer];
      const withIssuer = { ...responder, own: { ...responder.own, credential: { type: 'x5chain', certificates } } };
      const run = runHandshake(initiator, withIssuer as typeof responder);
      assert.deepEqual(run.initiator.peer.credential, { type: 'x5chain', certificates });
      assert.deepEqual(run.initiator.peer.certificate, bob.certificate);
    });

    test('refuses an exporter label or length that EDHOC does not have', () => {
      const { exporter } = runHandshake(initiator, responder).initiator;
      assert.throws(() => exporter(65536, new Uint8Array(0), 32), refused('usage'));
      assert.throws(() => exporter(-1, new Uint8Array(0), 32), refused('usage'));
      assert.throws(() => exporter(0, new Uint8Array(0), 8161), refused('too-large'));
    });

    test('N1a man in the middle swaps the ephemeral keys: both sides fail', () => {
      const swapped = suite5(implementation.crypto).ecdh.generate().publicX;
      const start = startInitiator(initiator);
      const towardsBob = start.message1.slice();
      towardsBob.set(swapped, 4);
      const second = answer(responder, towardsBob);
      const towardsAlice = second.message2.slice();
      towardsAlice.set(swapped, towardsAlice.length < 258 ? 2 : 3);
      assert.throws(() => settle(initiator, start.state.receive(second.message2)), isSealwireError);
      assert.throws(() => settle(initiator, start.state.receive(towardsAlice)), isSealwireError);
      const forged = runHandshake(
        partyOf(implementation, mallory, bob),
        partyOf(implementation, bob, mallory),
      ).message3;
      assert.throws(() => second.receive(forged), refused('handshake-failed'));
    });

    test('N1b man in the middle swaps the signing keys too: not the expected identity', () => {
      const asBob = partyOf(implementation, mallory, alice);
      assert.throws(() => runHandshake(initiator, asBob), refused('identity-mismatch'));
      const asAlice = partyOf(implementation, mallory, bob);
      assert.throws(() => runHandshake(asAlice, responder), refused('identity-mismatch'));
    });

    test('N12 a stolen certificate without its key proves nothing', () => {
      const withBobsCertificate = { ...partyOf(implementation, mallory, alice), own: responder.own };
      assert.throws(() => runHandshake(initiator, withBobsCertificate), refused('signature-invalid'));
      const withAlicesCertificate = { ...partyOf(implementation, mallory, bob), own: initiator.own };
      assert.throws(() => runHandshake(withAlicesCertificate, responder), refused('signature-invalid'));
    });

    test('N12 Bob’s own signature, forwarded from his handshake with Mallory, does not convince Alice', () => {
      const toBob = startInitiator(partyOf(implementation, mallory, bob));
      const second = answer(partyOf(implementation, bob, mallory), toBob.message1);
      const { credential } = toBob.state.receive(second.message2);
      const claim = toBob.state.receive(second.message2).identify({ publicKey: bob.publicKey, accepted: true });
      assert.equal(credential.type, 'x5chain');
      const forwarding = {
        ...partyOf(implementation, mallory, alice),
        own: responder.own,
        sign: () => claim.signature,
      };
      assert.throws(() => runHandshake(initiator, forwarding), refused('signature-invalid'));
    });

    test('an own message that comes back is refused', () => {
      const mirror = { ...initiator, find: () => ({ publicKey: alice.publicKey, accepted: true }) };
      assert.throws(() => runHandshake(mirror, mirror), refused('identity-mismatch'));
    });

    test('an own ephemeral key that comes back is refused, by either side', () => {
      const pair = suite5(implementation.crypto).ecdh.generate();
      const suite = suite5({ ...implementation.crypto, generateEphemeral: () => pair });
      const start = startInitiator({ ...initiator, suites: [suite] });
      assert.throws(() => answer({ ...responder, suites: [suite] }, start.message1), refused('handshake-failed'));
      const second = answer(responder, start.message1);
      const reflected = second.message2.slice();
      reflected.set(pair.publicX, reflected.length < 258 ? 2 : 3);
      assert.throws(() => start.state.receive(reflected), refused('handshake-failed'));
    });

    test('message_3 is built once, whatever comes again', () => {
      const start = startInitiator(initiator);
      const second = answer(responder, start.message1);
      const [one, other] = [start.state.receive(second.message2), start.state.receive(second.message2)];
      const drafts = [settle(initiator, one), settle(initiator, other)] as const;
      const waiting = drafts[0].finish(initiator.sign(drafts[0].toBeSigned));
      for (const draft of drafts) {
        assert.throws(() => draft.finish(initiator.sign(draft.toBeSigned)), refused('internal'));
      }
      assert.throws(() => start.state.receive(second.message2), refused('internal'));
      const finished = conclude(responder, second, waiting.message3);
      assert.throws(() => second.receive(waiting.message3), refused('internal'));
      assert.ok(waiting.receive(finished.message4));
    });

    test('message_2 is built once', () => {
      const result = receiveMessage1(responder, startInitiator(initiator).message1);
      assert.ok(result.kind === 'draft');
      const signature = responder.sign(result.draft.toBeSigned);
      assert.throws(() => result.draft.finish(signature.subarray(1)), refused('internal'));
      result.draft.finish(signature);
      assert.throws(() => result.draft.finish(signature), refused('internal'));
    });

    test('N15 messages of nobody change no state: the genuine ones still go through', () => {
      const start = startInitiator(initiator);
      const stray = runHandshake(initiator, responder);
      const garbage = [new Uint8Array(0), Uint8Array.of(0x40), stray.message2, stray.message3, stray.message4];
      for (const unit of garbage) {
        assert.throws(() => settle(initiator, start.state.receive(unit)), isSealwireError);
      }
      const second = answer(responder, start.message1);
      for (const unit of garbage) assert.throws(() => settle(responder, second.receive(unit)), isSealwireError);
      const third = proceed(initiator, start.state, second.message2);
      for (const unit of garbage) assert.throws(() => third.receive(unit), isSealwireError);
      assert.ok(third.receive(conclude(responder, second, third.message3).message4));
    });

    test('N9 a Responder that derived other keys is noticed at message_4', () => {
      const start = startInitiator(initiator);
      const second = answer(responder, start.message1);
      const third = proceed(initiator, start.state, second.message2);
      const { message4 } = runHandshake(initiator, responder);
      assert.throws(() => third.receive(message4), refused('handshake-failed'));
    });

    test('method other than 0 is refused', () => {
      const message = startInitiator(initiator).message1.slice();
      message[0] = 3;
      assert.throws(() => receiveMessage1(responder, message), refused('unsupported'));
    });
  });
}

test('a wrong order does not compile', () => {
  // Only the types matter here: nothing of it runs.
  const never = (start: InitiatorStart, waiting: WaitingForMessage2): void => {
    const claim = waiting.receive(start.message1);
    // @ts-expect-error message_3 cannot be drafted before message_2 came
    waiting.finish(new Uint8Array(64));
    // @ts-expect-error nor with a claim whose identity nobody judged
    claim.finish(true);
    // @ts-expect-error a judgement without a verdict is none
    claim.identify({ publicKey: new Uint8Array(65) });
    const check = claim.identify({ publicKey: new Uint8Array(65), accepted: true });
    // @ts-expect-error nor is a proof without its verification
    check.finish();
    // @ts-expect-error and keys come after message_4 only
    check.finish(true).finish(new Uint8Array(64)).exporter(0, new Uint8Array(0), 32);
  };
  assert.equal(typeof never, 'function');
});
