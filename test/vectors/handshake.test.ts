import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { bytesToHex, hexToBytes } from '../../src/core/bytes.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { decodeErrorMessage, encodeErrorMessage } from '../../src/core/handshake/error-message.ts';
import { receiveMessage1 } from '../../src/core/handshake/responder.ts';
import { deriveSessionSecrets, EXPORTER_LABEL } from '../../src/core/handshake/session-keys.ts';
import {
  generate,
  type HandshakeVector,
  type HandshakeVectors,
  startVector,
  type VectorIdentity,
  vectorParty,
} from '../../tools/vectors/handshake.ts';
import {
  answer,
  conclude,
  IMPLEMENTATIONS,
  type Implementation,
  type Party,
  proceed,
  runHandshake,
  settle,
} from '../support/handshake.ts';

const file = new URL('../../vectors/2-handshake.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as HandshakeVectors;

function identity(name: string): VectorIdentity {
  const found = vectors.identities.find((one) => one.name === name);
  assert.ok(found, name);
  return found;
}

function parties(implementation: Implementation, vector: HandshakeVector): { initiator: Party; responder: Party } {
  const [one, other] = [identity(vector.initiator), identity(vector.responder)];
  return {
    initiator: vectorParty(implementation, vector, 'initiator', one, other),
    responder: vectorParty(implementation, vector, 'responder', other, one),
  };
}

function isAvailable(implementation: Implementation, vector: HandshakeVector): boolean {
  return implementation.name === 'node' || vector.suites.at(-1) === 5;
}

/** The session and exporter output of either side, as the vector writes them. */
function sessionOf(vector: HandshakeVector, exporter: Parameters<typeof deriveSessionSecrets>[0]): unknown {
  const { sessionId, initiator, responder } = deriveSessionSecrets(exporter, {
    rosterName: vector.rosterName,
    initiatorId: hexToBytes(identity(vector.initiator).id),
    responderId: hexToBytes(identity(vector.responder).id),
  });
  const start = ({ ratchetId, chainKey }: typeof initiator) => ({
    ratchetId: bytesToHex(ratchetId),
    chainKey: bytesToHex(chainKey),
  });
  return { sessionId: bytesToHex(sessionId), initiator: start(initiator), responder: start(responder) };
}

test('vectors/2-handshake.json is what the generator gives', () => {
  assert.deepEqual(vectors, JSON.parse(JSON.stringify(generate())));
});

for (const implementation of IMPLEMENTATIONS) {
  describe(`vectors/2-handshake.json (${implementation.name})`, () => {
    for (const vector of vectors.handshakes.filter((each) => isAvailable(implementation, each))) {
      test(vector.name, () => {
        const { initiator, responder } = parties(implementation, vector);
        const run = runHandshake(initiator, responder, { start: startVector });
        const sent = [run.message1, run.message2, run.message3, run.message4];
        assert.deepEqual(sent.map(bytesToHex), vector.messages);
        assert.equal(bytesToHex(run.toBeSigned2), vector.toBeSigned_2);
        assert.equal(bytesToHex(run.toBeSigned3), vector.toBeSigned_3);
        for (const { exporter } of [run.initiator, run.responder]) {
          const context = hexToBytes(vector.exporterContext);
          assert.equal(bytesToHex(exporter(EXPORTER_LABEL.chainKeys, context, 64)), vector.exported.chainKeys);
          assert.equal(bytesToHex(exporter(EXPORTER_LABEL.ids, context, 48)), vector.exported.ids);
          assert.deepEqual(sessionOf(vector, exporter), vector.session);
        }
      });
    }

    for (const refused of vectors.refused) {
      test(`refused: ${refused.what}`, () => {
        const vector = vectors.handshakes.find(({ name }) => name === refused.handshake);
        assert.ok(vector);
        const { initiator, responder } = parties(implementation, vector);
        assert.throws(
          () => receive(refused.message, hexToBytes(refused.bytes), initiator, responder),
          (error) => isSealwireError(error) && error.code === refused.code,
        );
      });
    }
  });
}

/** Runs a handshake up to message `n` and gives the receiver `bytes` in its place. */
function receive(n: 1 | 2 | 3 | 4, bytes: Uint8Array, initiator: Party, responder: Party): void {
  if (n === 1) return void receiveMessage1(responder, bytes);
  const start = startVector(initiator);
  const second = answer(responder, start.message1);
  if (n === 2) return void settle(initiator, start.state.receive(bytes));
  const third = proceed(initiator, start.state, second.message2);
  if (n === 3) return void settle(responder, second.receive(bytes));
  conclude(responder, second, third.message3);
  third.receive(bytes);
}

test('envelopes say whose handshake a message belongs to', () => {
  for (const { envelopes, messages, C_I, C_R } of vectors.handshakes) {
    for (const [n, connectionId] of [null, C_I, C_R, C_I].entries()) {
      const envelope = decodeEnvelope(hexToBytes(envelopes[n] ?? ''));
      assert.deepEqual(envelope.connectionId, connectionId === null ? null : hexToBytes(connectionId));
      assert.equal(bytesToHex(envelope.message), messages[n]);
      assert.equal(bytesToHex(encodeEnvelope(envelope)), envelopes[n]);
    }
  }
});

test('another suite is asked for as the vector has it', () => {
  const { negotiation } = vectors;
  const error = decodeErrorMessage(hexToBytes(negotiation.error));
  assert.deepEqual(error, { kind: 'wrong-suite', suites: negotiation.responderSuites });
  const [first] = vectors.handshakes;
  assert.ok(first);
  for (const implementation of IMPLEMENTATIONS) {
    const { responder } = parties(implementation, { ...first, suites: negotiation.responderSuites });
    const result = receiveMessage1(responder, hexToBytes(negotiation.message_1));
    assert.ok(result.kind === 'wrong-suite');
    assert.equal(bytesToHex(result.errorMessage), negotiation.error);
    const envelope = encodeEnvelope({ connectionId: result.peerConnectionId, message: result.errorMessage });
    assert.equal(bytesToHex(envelope), negotiation.envelope);
  }
});

test('error messages', () => {
  for (const [name, hex] of Object.entries(vectors.errors)) {
    const message = decodeErrorMessage(hexToBytes(hex));
    assert.ok(message, name);
    assert.equal(bytesToHex(encodeErrorMessage(message)), hex);
  }
});
