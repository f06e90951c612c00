import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  answer,
  conclude,
  IMPLEMENTATIONS,
  partyOf,
  person,
  proceed,
  settle,
} from '../../../test/support/handshake.ts';
import { encodeCbor } from '../cbor.ts';
import { isSealwireError } from '../errors.ts';
import { startInitiator } from './initiator.ts';
import { receiveMessage1 } from './responder.ts';

const alice = person('Alice', 1);
const bob = person('Bob', 2);

/** `message` with one bit turned in each of its bytes, one byte at a time; which bit moves along. */
function* flipped(message: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < message.length; i++) {
    const copy = message.slice();
    copy[i] = (copy[i] ?? 0) ^ (1 << (i % 8));
    yield copy;
  }
}

for (const implementation of IMPLEMENTATIONS) {
  // Whoever comes is taken for the other, so that only the cryptography is left to notice.
  const initiator = {
    ...partyOf(implementation, alice, bob),
    find: () => ({ publicKey: bob.publicKey, accepted: true }),
  };
  const responder = {
    ...partyOf(implementation, bob, alice),
    find: () => ({ publicKey: alice.publicKey, accepted: true }),
  };

  describe(`one bit turned in any byte (${implementation.name})`, () => {
    test('of message_1: refused by the Responder, or its answer by the Initiator', () => {
      const start = startInitiator(initiator);
      for (const message of flipped(start.message1)) {
        let message2: Uint8Array;
        try {
          const result = receiveMessage1(responder, message);
          if (result.kind === 'wrong-suite') continue;
          message2 = result.draft.finish(responder.sign(result.draft.toBeSigned)).message2;
        } catch (error) {
          assert.ok(isSealwireError(error), String(error));
          continue;
        }
        assert.throws(() => settle(initiator, start.state.receive(message2)), isSealwireError);
      }
      assert.ok(proceed(initiator, start.state, answer(responder, start.message1).message2));
    });

    test('of message_2, 3 or 4: refused, and the genuine one still goes through', () => {
      const start = startInitiator(initiator);
      const second = answer(responder, start.message1);
      for (const message of flipped(second.message2)) {
        assert.throws(() => settle(initiator, start.state.receive(message)), isSealwireError);
      }
      const third = proceed(initiator, start.state, second.message2);
      for (const message of flipped(third.message3)) {
        assert.throws(() => settle(responder, second.receive(message)), isSealwireError);
      }
      const finished = conclude(responder, second, third.message3);
      for (const message of flipped(finished.message4)) assert.throws(() => third.receive(message), isSealwireError);
      assert.ok(third.receive(finished.message4));
    });

    test('any bytes at all, in place of any message: a clear refusal', () => {
      const start = startInitiator(initiator);
      const second = answer(responder, start.message1);
      const third = proceed(initiator, start.state, second.message2);
      // Half of the inputs at least have the outer form of the later messages.
      const bytes = fc.uint8Array({ maxLength: 200 });
      const inputs = fc.oneof(bytes, bytes.map(encodeCbor));
      const other = startInitiator(initiator);
      fc.assert(
        fc.property(inputs, (input) => {
          assert.throws(() => receiveMessage1(responder, input), isSealwireError);
          assert.throws(() => settle(initiator, other.state.receive(input)), isSealwireError);
          assert.throws(() => settle(responder, second.receive(input)), isSealwireError);
          assert.throws(() => third.receive(input), isSealwireError);
        }),
        { seed: 5, numRuns: 200 },
      );
    });

    test('any message cut short anywhere is refused', () => {
      const start = startInitiator(initiator);
      const second = answer(responder, start.message1);
      const third = proceed(initiator, start.state, second.message2);
      for (let length = 0; length < start.message1.length; length++) {
        assert.throws(() => receiveMessage1(responder, start.message1.subarray(0, length)), isSealwireError);
      }
      for (let length = 0; length < third.message3.length; length++) {
        assert.throws(() => second.receive(third.message3.subarray(0, length)), isSealwireError);
      }
    });
  });
}
