import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { bytesToHex, hexToBytes } from '../../src/core/bytes.ts';
import { encodeMessage, joinBody, readBody } from '../../src/core/frame/body.ts';
import { readFrame } from '../../src/core/frame/frame.ts';
import { isOpenKind } from '../../src/core/frame/label.ts';
import { receiveFrame } from '../../src/core/frame/open.ts';
import { TreeHasher } from '../../src/core/ledger/merkle.ts';
import { encryptionKeyOf, macKeyOf, messageKeyOf, nextChainKey } from '../../src/core/ratchet/keys.ts';
import { ReceivingRatchet } from '../../src/core/ratchet/receiving.ts';
import { Incoming, type ReceivedMessage } from '../../src/roles/incoming.ts';
import { memoryPair } from '../../src/roles/memory.ts';
import { AsyncQueue } from '../../src/roles/queue.ts';
import { SESSION_TUNING } from '../../src/roles/session-context.ts';
import type { SessionEvent } from '../../src/roles/session-events.ts';
import { type FrameVector, type FrameVectors, generate, generateWith } from '../../tools/vectors/frames.ts';
import { ISSUED_AT_S } from '../support/frames.ts';
import { IMPLEMENTATIONS, type Implementation } from '../support/handshake.ts';
import { manualClock } from '../support/manual-clock.ts';
import { SILENT } from '../support/silent-handlers.ts';

const file = new URL('../../vectors/3-frames.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as FrameVectors;
const start = {
  ratchetId: hexToBytes(vectors.ratchetId),
  seq: 0,
  chainKey: hexToBytes(vectors.ratchet[0]?.chainKey ?? ''),
};

test('vectors/3-frames.json is what the code gives', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(generate())), vectors);
});

/** A recipient at the beginning of the session, and what it tells. */
function recipient({ crypto, verifier }: Implementation): {
  readonly incoming: Incoming;
  readonly events: SessionEvent[];
  readonly queue: AsyncQueue<ReceivedMessage>;
} {
  const events: SessionEvent[] = [];
  const queue = new AsyncQueue<ReceivedMessage>(Number.POSITIVE_INFINITY);
  const { a: connection } = memoryPair();
  const context = {
    crypto,
    hasher: new TreeHasher(crypto),
    clock: manualClock(ISSUED_AT_S * 1000),
    connection,
    units: connection.receive(),
    ownId: hexToBytes(vectors.recipient.id),
    signer: { publicKey: hexToBytes(vectors.recipient.publicKey), sign: () => new Uint8Array(64) },
    peerId: hexToBytes(vectors.sender.id),
    verifier: verifier(hexToBytes(vectors.sender.publicKey)),
    sink: null,
    tuning: SESSION_TUNING,
    control: null,
    onEvent: (event: SessionEvent) => void events.push(event),
  };
  return { incoming: new Incoming(context, start, queue, SILENT), events, queue };
}

function named(name: string): FrameVector {
  const found = vectors.frames.find((vector) => vector.name === name);
  assert.ok(found, name);
  return found;
}

/** Lower-case hex, as opposed to a name. */
const HEX = /^[0-9a-f]+$/;

for (const implementation of IMPLEMENTATIONS) {
  const { name, crypto, verifier } = implementation;
  const hex = bytesToHex;

  describe(`vectors/3-frames.json (${name})`, () => {
    test('sealing gives the same bytes', () => {
      assert.deepEqual(JSON.parse(JSON.stringify(generateWith(crypto).frames)), vectors.frames);
    });

    test('the ratchet', () => {
      let chainKey: Uint8Array = start.chainKey;
      for (const vector of vectors.ratchet) {
        assert.equal(hex(chainKey), vector.chainKey);
        assert.equal(hex(messageKeyOf(crypto, chainKey)), vector.messageKey);
        chainKey = nextChainKey(crypto, chainKey);
      }
    });

    for (const vector of vectors.frames) {
      test(`opens: ${vector.name}`, () => {
        const ratchet = new ReceivingRatchet(crypto, start);
        const received = receiveFrame(hexToBytes(vector.frame));
        const { label } = received;
        assert.equal(hex(label.protectedBytes), vector.protectedBytes);
        assert.equal(hex(label.toBeVerified), vector.toBeSigned);
        const valid = verifier(hexToBytes(vectors.sender.publicKey)).verify(label.toBeVerified, label.signature);
        assert.equal(valid, true);
        const opened = received.verified(true).open(crypto, ratchet);
        assert.equal(hex(opened.content), vector.content);
        opened.commit();
        assert.equal(ratchet.nextSeq, vector.header.seq + 1);
        const { tokenId, senderId, ratchetId, roster, head, ...header } = vector.header;
        for (const [field, value] of Object.entries(header)) assert.equal(label[field as keyof typeof label], value);
        assert.deepEqual([label.tokenId, label.senderId, label.ratchetId].map(hex), [tokenId, senderId, ratchetId]);
        assert.deepEqual(label.roster && { ...label.roster, hash: hex(label.roster.hash) }, roster);
        assert.deepEqual(label.head && { ...label.head, root: hex(label.head.root) }, head);
      });

      test(`every value on the way: ${vector.name}`, () => {
        const { label, body } = readFrame(hexToBytes(vector.frame));
        const headerHash = crypto.sha256(label.protectedBytes);
        const messageKey = hexToBytes(vector.messageKey);
        assert.equal(hex(headerHash), vector.headerHash);
        assert.equal(hex(encryptionKeyOf(crypto, messageKey, headerHash)), vector.encryptionKey);
        assert.equal(hex(macKeyOf(crypto, messageKey, headerHash)), vector.macKey);
        assert.deepEqual([label.content, label.mac, label.signature].map(hex), [
          vector.payload,
          vector.mac,
          vector.signature,
        ]);
        assert.equal(hex(body), vector.body);
        assert.equal(hex(new TreeHasher(crypto).leaf(label.bytes)), vector.leafHash);
        assert.equal(isOpenKind(label.kind), vector.messages === null);
        if (vector.messages === null) {
          assert.equal(vector.payload, vector.content);
          return;
        }
        assert.equal(hex(crypto.sha256(body)), vector.payload);
        assert.equal(hex(crypto.aes256Ctr(hexToBytes(vector.encryptionKey), body)), vector.content);
        const messages = readBody(hexToBytes(vector.content));
        assert.deepEqual(
          messages.map(({ stream, payload, ...rest }) => ({ ...rest, stream: hex(stream), payload: hex(payload) })),
          vector.messages,
        );
        assert.equal(hex(joinBody(messages.map(encodeMessage), vector.paddingBytes)), vector.content);
      });
    }

    test('in a session: all that have a place there, in order', async () => {
      const { incoming, events, queue } = recipient(implementation);
      const inSession = vectors.frames.filter(({ header }) => header.channel === null);
      for (const { frame } of inSession) await incoming.take(hexToBytes(frame));
      // The end names the skipped seqs as void: nobody waits for what was in them.
      assert.deepEqual(events, [{ type: 'gap', gap: { first: 7, last: 9 } }]);
      assert.equal(incoming.ended, true);
      const payloads = queue.drop().map(({ payload }) => hex(payload));
      const expected = inSession.flatMap(({ messages }) => messages ?? []).map(({ payload }) => payload);
      assert.deepEqual(payloads, expected);
      incoming.stop();
    });

    for (const { what, code, after, frame } of vectors.refused) {
      test(`refused as ${code}: ${what}`, async () => {
        const { incoming, events, queue } = recipient(implementation);
        for (const before of after) await incoming.take(hexToBytes(HEX.test(before) ? before : named(before).frame));
        assert.equal(events.length, 0);
        const delivered = queue.drop().length;
        await incoming.take(hexToBytes(frame));
        const codes = events.map((event) => (event.type === 'refused' ? event.error.code : event.type));
        assert.deepEqual(codes, [code]);
        assert.equal(delivered, after.length > 0 ? 1 : 0);
        assert.equal(queue.drop().length, 0);
        incoming.stop();
      });
    }
  });
}
