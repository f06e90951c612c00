import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMPLEMENTATIONS, partyOf, person, runHandshake } from '../../../test/support/handshake.ts';
import { bytesToHex } from '../bytes.ts';
import { encodeCbor } from '../cbor.ts';
import { deriveSessionSecrets } from './session-keys.ts';

const alice = person('Alice', 1);
const bob = person('Bob', 2);
const context = {
  rosterName: 'plant',
  initiatorId: new Uint8Array(32).fill(1),
  responderId: new Uint8Array(32).fill(2),
};

test('both sides derive the same session', () => {
  for (const implementation of IMPLEMENTATIONS) {
    const run = runHandshake(partyOf(implementation, alice, bob), partyOf(implementation, bob, alice));
    const secrets = deriveSessionSecrets(run.initiator.exporter, context);
    assert.deepEqual(deriveSessionSecrets(run.responder.exporter, context), secrets);
    assert.equal(secrets.sessionId.length, 16);
    const { initiator, responder } = secrets;
    const parts = [secrets.sessionId, initiator.ratchetId, responder.ratchetId, initiator.chainKey, responder.chainKey];
    assert.equal(new Set(parts.map(bytesToHex)).size, 5);
    assert.equal(initiator.chainKey.length, 32);
  }
});

test('two sides that differ about roster or identity share nothing', () => {
  const [implementation] = IMPLEMENTATIONS;
  assert.ok(implementation);
  const { initiator, responder } = runHandshake(
    partyOf(implementation, alice, bob),
    partyOf(implementation, bob, alice),
  );
  const ours = deriveSessionSecrets(initiator.exporter, context);
  const { initiatorId, responderId } = context;
  for (const other of [
    { ...context, rosterName: '' },
    { ...context, initiatorId: responderId },
    { ...context, initiatorId: responderId, responderId: initiatorId },
  ]) {
    const theirs = deriveSessionSecrets(responder.exporter, other);
    assert.notDeepEqual(theirs.sessionId, ours.sessionId);
    assert.notDeepEqual(theirs.initiator.chainKey, ours.initiator.chainKey);
  }
});

test('labels, context and order are as the wire has them', () => {
  const asked: unknown[] = [];
  const secrets = deriveSessionSecrets((label, encoded, length) => {
    asked.push([label, bytesToHex(encoded), length]);
    return Uint8Array.from({ length }, (_, i) => i);
  }, context);
  const encoded = bytesToHex(encodeCbor([1, 'plant', context.initiatorId, context.responderId]));
  assert.deepEqual(asked, [
    [32768, encoded, 64],
    [32769, encoded, 48],
  ]);
  const firsts = [secrets.initiator.chainKey, secrets.responder.chainKey, secrets.sessionId].map(([first]) => first);
  assert.deepEqual(firsts, [0, 32, 0]);
  assert.deepEqual([secrets.initiator.ratchetId[0], secrets.responder.ratchetId[0]], [16, 32]);
});
