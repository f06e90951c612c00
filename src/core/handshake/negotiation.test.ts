import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMPLEMENTATIONS, type Party, partyOf, person, runHandshake } from '../../../test/support/handshake.ts';
import { isSealwireError } from '../errors.ts';
import { decodeErrorMessage } from './error-message.ts';
import { startInitiator, type WaitingForMessage2 } from './initiator.ts';
import { decodeMessage1, encodeMessage1 } from './message-1.ts';
import { receiveMessage1 } from './responder.ts';
import { suite2, suite5 } from './suites.ts';

const [node] = IMPLEMENTATIONS;
assert.ok(node);
const alice = person('Alice', 1);
const bob = person('Bob', 2);
const both = [suite5(node.crypto), suite2(node.crypto)];
const constrained = [suite2(node.crypto)];
const modern = [suite5(node.crypto)];

function initiator(suites: Party['suites']): Party {
  return { ...partyOf(node as NonNullable<typeof node>, alice, bob), suites };
}

function responder(suites: Party['suites']): Party {
  return { ...partyOf(node as NonNullable<typeof node>, bob, alice), suites };
}

/** SUITES_R of the error message that answers message_1. */
function offered(party: Party, message1: Uint8Array): readonly number[] {
  const result = receiveMessage1(party, message1);
  assert.ok(result.kind === 'wrong-suite');
  assert.deepEqual(result.peerConnectionId, decodeMessage1(message1).connectionId);
  const error = decodeErrorMessage(result.errorMessage);
  assert.ok(error?.kind === 'wrong-suite');
  return error.suites;
}

test('each side may prefer what it likes where the first choice is shared', () => {
  assert.equal(runHandshake(initiator(both), responder(both)).initiator.suite, 5);
  assert.equal(runHandshake(initiator([...both].reverse()), responder(both)).initiator.suite, 2);
});

test('a Responder without the first choice names its own; the second try lists what was preferred', () => {
  const first = startInitiator(initiator(both));
  const suites = offered(responder(constrained), first.message1);
  assert.deepEqual(suites, [2]);
  const second = first.state.retry(suites);
  const [before, after] = [decodeMessage1(first.message1), decodeMessage1(second.message1)];
  assert.deepEqual(before.suites, [5]);
  assert.deepEqual(after.suites, [5, 2]);
  assert.notDeepEqual(after.publicX, before.publicX);
  assert.notDeepEqual(after.connectionId, before.connectionId);
  assert.equal(receiveMessage1(responder(constrained), second.message1).kind, 'draft');
});

test('a forged offer that steers to the weaker suite is noticed by the Responder', () => {
  const forged = startInitiator(initiator(both)).state.retry([2]);
  assert.deepEqual(offered(responder(both), forged.message1), [5, 2]);
});

test('suites struck from message_1 on the way are noticed by the Initiator', () => {
  const start = startInitiator(initiator(both)).state.retry([2]);
  const struck = encodeMessage1({ ...decodeMessage1(start.message1), suites: [2] });
  const result = receiveMessage1(responder(both), struck);
  assert.ok(result.kind === 'draft');
  const { message2 } = result.draft.finish(responder(both).sign(result.draft.toBeSigned));
  assert.throws(() => {
    const claim = start.state.receive(message2).identify({ publicKey: bob.publicKey, accepted: true });
    claim.finish(node.verifier(bob.publicKey).verify(claim.toBeVerified, claim.signature) === true);
  }, isSealwireError);
});

test('no suite in common, or one that was tried, ends the attempt', () => {
  const refused = (state: WaitingForMessage2, suites: number[]): void =>
    assert.throws(
      () => state.retry(suites),
      (error) => isSealwireError(error, 'unsupported'),
    );
  refused(startInitiator(initiator(modern)).state, [2, 6]);
  refused(startInitiator(initiator(both)).state, [5, 2]);
  refused(startInitiator(initiator(both)).state.retry([2]).state, [2]);
});

test('a suite that neither knows does not disturb', () => {
  const start = startInitiator(initiator(modern));
  const unknown = encodeMessage1({ ...decodeMessage1(start.message1), suites: [24, 5] });
  assert.equal(receiveMessage1(responder(both), unknown).kind, 'draft');
  const selected = encodeMessage1({ ...decodeMessage1(start.message1), suites: [5, 24] });
  assert.deepEqual(offered(responder(both), selected), [5, 2]);
});

test('a list of suites beyond all measure is refused', () => {
  const { message1 } = startInitiator(initiator(modern));
  const suites = (count: number): Uint8Array =>
    encodeMessage1({ ...decodeMessage1(message1), suites: Array.from({ length: count }, (_, i) => 100 + i) });
  assert.deepEqual(offered(responder(both), suites(32)), [5, 2]);
  assert.throws(
    () => receiveMessage1(responder(both), suites(33)),
    (error) => isSealwireError(error, 'malformed'),
  );
});
