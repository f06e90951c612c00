import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { bytesToHex as hex, hexToBytes } from '../../src/core/bytes.ts';
import { decodeGrant } from '../../src/core/channel/grant.ts';
import { decodeGrantAck, encodeGrantAck } from '../../src/core/channel/grant-ack.ts';
import { decodeGrantRequest, encodeGrantRequest } from '../../src/core/channel/grant-request.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import { readBody } from '../../src/core/frame/body.ts';
import { receiveFrame } from '../../src/core/frame/open.ts';
import { ReceivingRatchet } from '../../src/core/ratchet/receiving.ts';
import { type ChannelVectors, generate, generateWith } from '../../tools/vectors/channels.ts';
import type { GrantVector } from '../../tools/vectors/sender-keys.ts';
import { IMPLEMENTATIONS, type Implementation } from '../support/handshake.ts';

const file = new URL('../../vectors/4-channels.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as ChannelVectors;
const { senderKeys } = vectors;
const DECODERS = { grant: decodeGrant, ack: decodeGrantAck, request: decodeGrantRequest };

test('vectors/4-channels.json is what the code gives', async () => {
  assert.deepEqual(JSON.parse(JSON.stringify(await generate())), vectors);
});

/** Opens the frame of that name, as a reader who knows the writer; gives its messages' payloads in hex. */
function open({ crypto, verifier }: Implementation, ratchet: ReceivingRatchet, name: string): string[] {
  const vector = senderKeys.frames.find((frame) => frame.name === name);
  assert.ok(vector, name);
  const received = receiveFrame(hexToBytes(vector.frame));
  const { toBeVerified, signature } = received.label;
  const isValid = verifier(hexToBytes(senderKeys.writer.publicKey)).verify(toBeVerified, signature);
  assert.equal(isValid, true);
  const opened = received.verified(true).open(crypto, ratchet);
  opened.commit();
  const messages = readBody(opened.content);
  for (const message of messages) assert.equal(hex(message.stream), senderKeys.stream);
  assert.deepEqual(
    messages.map(({ n }) => n),
    vector.messages?.map(({ n }) => n),
  );
  return messages.map(({ payload }) => hex(payload));
}

const payloadsOf = (name: string): string[] | undefined =>
  senderKeys.frames.find((frame) => frame.name === name)?.messages?.map(({ payload }) => payload);

for (const implementation of IMPLEMENTATIONS) {
  const { name, crypto } = implementation;
  const begin = ({ grant }: GrantVector): ReceivingRatchet =>
    new ReceivingRatchet(crypto, decodeGrant(hexToBytes(grant)));

  describe(`vectors/4-channels.json, sender keys (${name})`, () => {
    test('drawing, sealing and granting give the same bytes', async () => {
      assert.deepEqual(JSON.parse(JSON.stringify((await generateWith(crypto)).senderKeys)), senderKeys);
    });

    for (const vector of senderKeys.grants) {
      test(`a grant ${vector.what} holds the ratchet’s key at its seq`, () => {
        const grant = decodeGrant(hexToBytes(vector.grant));
        assert.deepEqual([grant.channel, grant.seq, grant.n], [senderKeys.channel, vector.seq, vector.n]);
        assert.deepEqual([grant.ratchetId, grant.stream].map(hex), [senderKeys.ratchetId, senderKeys.stream]);
        assert.equal(hex(grant.chainKey), vector.chainKey);
        assert.equal(senderKeys.ratchet.find(({ seq }) => seq === vector.seq)?.chainKey, vector.chainKey);
        const { channel, ratchetId, seq } = grant;
        assert.deepEqual(decodeGrantAck(hexToBytes(vector.ack)), { channel, ratchetId, seq });
        assert.equal(hex(encodeGrantAck({ channel, ratchetId, seq })), vector.ack);
      });

      test(`a grant ${vector.what} opens what it should, in any order, and nothing else`, () => {
        for (const names of [vector.opens, vector.opens.toReversed()]) {
          const ratchet = begin(vector);
          for (const frame of names) assert.deepEqual(open(implementation, ratchet, frame), payloadsOf(frame));
          for (const frame of [...vector.refuses, ...names]) {
            assert.throws(
              () => open(implementation, ratchet, frame),
              (error) => isSealwireError(error, 'replayed'),
            );
          }
        }
        const first = senderKeys.frames.find((frame) => frame.name === vector.opens[0]);
        assert.equal(first?.messages?.[0]?.n, vector.n);
      });
    }

    test('jumps: so far, and no further', () => {
      const [grant] = senderKeys.grants;
      assert.ok(grant);
      begin(grant).lookUp(senderKeys.jumps.taken);
      assert.throws(
        () => begin(grant).lookUp(senderKeys.jumps.tooFar),
        (error) => isSealwireError(error, 'skipped-too-far'),
      );
    });
  });
}

test('a request names the ratchet and a frame of it', () => {
  const { seq, request } = senderKeys.request;
  const decoded = decodeGrantRequest(hexToBytes(request));
  assert.deepEqual(
    [decoded.channel, hex(decoded.ratchetId), decoded.seq],
    [senderKeys.channel, senderKeys.ratchetId, seq],
  );
  assert.equal(hex(encodeGrantRequest(decoded)), request);
});

for (const { what, structure, bytes } of senderKeys.malformed) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => DECODERS[structure](hexToBytes(bytes)),
      (error) => isSealwireError(error, 'malformed'),
    );
  });
}
