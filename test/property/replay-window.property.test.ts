import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalBytes } from '../../src/core/bytes.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { receiveFrame } from '../../src/core/frame/open.ts';
import { draftFrame } from '../../src/core/frame/seal.ts';
import { ReceivingRatchet } from '../../src/core/ratchet/receiving.ts';
import { SendingRatchet } from '../../src/core/ratchet/sending.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { flipped } from '../support/forged-frame.ts';
import { messageOf, planOf, SENDER, START, signAs } from '../support/frames.ts';

const seed = 20260701;
const FRAMES = 14;

/** Sealed once: what differs from run to run is what becomes of them on the way. */
const contents = Array.from({ length: FRAMES }, (_, n) => messageOf(n, `message ${n}`));
const frames = (() => {
  const sending = new SendingRatchet(nodeCrypto, START);
  return contents.map((content) => {
    const draft = draftFrame(nodeCrypto, sending, planOf(), content);
    return draft.finish(signAs(SENDER, draft.toBeSigned)).bytes;
  });
})();

const which = fc.nat({ max: FRAMES - 1 });
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('arrives' as const), at: which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('is given up' as const), at: which }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('is altered' as const), at: which, byte: fc.nat(), bit: fc.nat(7) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('is kept' as const) }) },
);

test('the replay window: whatever comes, in whatever order, each frame opens once and as it was sealed', () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 1, maxLength: 60 }), (happenings) => {
      let ratchet = new ReceivingRatchet(nodeCrypto, START);
      const opened = new Set<number>();
      const open = (frame: Uint8Array) => receiveFrame(frame).verified(true).open(nodeCrypto, ratchet);
      for (const what of happenings) {
        if (what.type === 'is kept') {
          ratchet = ReceivingRatchet.restore(nodeCrypto, ratchet.save());
          continue;
        }
        const frame = frames[what.at] ?? new Uint8Array(0);
        if (what.type === 'is altered') {
          assertRefused(() => open(flipped(frame, what.byte % frame.length, what.bit)), frame);
        } else if (opened.has(what.at)) {
          assert.throws(() => open(frame), { code: 'replayed' });
        } else {
          const { content, commit } = open(frame);
          assert.deepEqual(new Uint8Array(content), contents[what.at]);
          if (what.type === 'arrives') {
            commit();
            opened.add(what.at);
            // The same candidate a second time, as two tasks at once would have it.
            assert.throws(commit, { code: 'replayed' });
          }
        }
      }
      const rest = frames.filter((_, at) => !opened.has(at));
      for (const frame of rest) open(frame).commit();
      for (const frame of frames) assert.throws(() => open(frame), { code: 'replayed' });
      assert.equal(ratchet.skippedCount, 0);
      assert.equal(ratchet.nextSeq, FRAMES);
    }),
    { seed, numRuns: 150 },
  );
});

/** Altered where the signature alone would notice it, the frame opens as the one that it was: here signatures pass. */
function assertRefused(
  open: () => { readonly content: Uint8Array; readonly label: { readonly signature: Uint8Array } },
  frame: Uint8Array,
): void {
  try {
    const { label } = open();
    assert.ok(!equalBytes(label.signature, receiveFrame(frame).label.signature), 'only its signature was altered');
  } catch (error) {
    if (!isSealwireError(error)) throw error;
  }
}
