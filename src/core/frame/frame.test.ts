import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Forgery,
  forgeFrame,
  messageOf,
  planOf,
  RECIPIENT,
  SENDER,
  START,
  signAs,
  withHighS,
} from '../../../test/support/frames.ts';
import { IMPLEMENTATIONS, type Implementation } from '../../../test/support/handshake.ts';
import { concatBytes } from '../bytes.ts';
import { encodeCbor } from '../cbor.ts';
import { nobleCrypto } from '../crypto/noble.ts';
import { isSealwireError, SealwireError } from '../errors.ts';
import { KIND } from '../kinds.ts';
import { FRAME_BYTES_MAX } from '../limits.ts';
import { ReceivingRatchet } from '../ratchet/receiving.ts';
import { SendingRatchet } from '../ratchet/sending.ts';
import { joinBody } from './body.ts';
import { joinFrame, readFrame } from './frame.ts';
import { decodeLabel } from './label.ts';
import { type OpenedFrame, receiveFrame } from './open.ts';
import { draftFrame, type LabelPlan, type SealedFrame } from './seal.ts';

const seed = 20260701;

function seal(
  { crypto }: Pick<Implementation, 'crypto'>,
  ratchet: SendingRatchet,
  content: Uint8Array,
  plan: LabelPlan = planOf(),
): SealedFrame {
  const draft = draftFrame(crypto, ratchet, plan, content);
  return draft.finish(signAs(SENDER, draft.toBeSigned));
}

function open({ crypto, verifier }: Implementation, ratchet: ReceivingRatchet, frame: Uint8Array): OpenedFrame {
  const received = receiveFrame(frame);
  const valid = verifier(SENDER.publicKey).verify(received.label.toBeVerified, received.label.signature) === true;
  return received.verified(valid).open(crypto, ratchet);
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SealwireError) return error.code;
    throw error;
  }
  return 'none';
}

for (const implementation of IMPLEMENTATIONS) {
  const { name, crypto } = implementation;

  test(`what is sealed opens, once (${name})`, () => {
    const sending = new SendingRatchet(crypto, START);
    const receiving = new ReceivingRatchet(crypto, START);
    const content = joinBody([messageOf(0, 'one'), messageOf(1, 'two')], 9);
    const sealed = seal(implementation, sending, content);
    const opened = open(implementation, receiving, sealed.bytes);
    assert.deepEqual(opened.content, content);
    assert.equal(opened.label.seq, 0);
    assert.deepEqual(decodeLabel(sealed.label), opened.label);
    opened.commit();
    assert.equal(
      codeOf(() => open(implementation, receiving, sealed.bytes)),
      'replayed',
    );
    assert.equal(sending.nextSeq, 1);
  });

  test(`any single changed byte: refused, and the frame still opens afterwards (${name})`, () => {
    const sealed = seal(implementation, new SendingRatchet(crypto, { ...START, seq: 0 }), messageOf(0, 'x'));
    const receiving = new ReceivingRatchet(crypto, START);
    // Every byte where verifying is cheap, every third where it is not.
    const step = name === 'node' ? 1 : 3;
    for (let at = 0; at < sealed.bytes.length; at += step) {
      const changed = sealed.bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      assert.notEqual(
        codeOf(() => open(implementation, receiving, changed)),
        'none',
        `byte ${at}`,
      );
      assert.equal(receiving.nextSeq, 0);
      assert.equal(receiving.skippedCount, 0);
    }
    assert.deepEqual(open(implementation, receiving, sealed.bytes).content, messageOf(0, 'x'));
  });
}

test('both implementations open what the other one seals', () => {
  for (const sender of IMPLEMENTATIONS) {
    for (const reader of IMPLEMENTATIONS) {
      const sealed = seal(sender, new SendingRatchet(sender.crypto, START), messageOf(0, 'both'));
      const opened = open(reader, new ReceivingRatchet(reader.crypto, START), sealed.bytes);
      assert.deepEqual(opened.content, messageOf(0, 'both'));
    }
  }
});

const [node] = IMPLEMENTATIONS;
if (!node) throw new Error('there is no implementation');

test('frames in any order, some twice, some altered: each opens once and only as it was sealed', () => {
  const sending = new SendingRatchet(node.crypto, START);
  const frames = Array.from({ length: 12 }, (_, n) => seal(node, sending, messageOf(n, `message ${n}`)).bytes);
  const event = fc.record({ seq: fc.nat(11), flip: fc.option(fc.nat(2000), { freq: 2 }) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const receiving = new ReceivingRatchet(node.crypto, START);
      const seen = new Set<number>();
      for (const { seq, flip } of events) {
        const frame = (frames[seq] ?? new Uint8Array(0)).slice();
        if (flip !== null) frame[flip % frame.length] = (frame[flip % frame.length] ?? 0) ^ 0x10;
        const before = [receiving.nextSeq, receiving.skippedCount];
        let opened: OpenedFrame | undefined;
        const code = codeOf(() => {
          opened = open(node, receiving, frame);
        });
        if (flip !== null) assert.notEqual(code, 'none');
        else assert.equal(code, seen.has(seq) ? 'replayed' : 'none');
        assert.deepEqual([receiving.nextSeq, receiving.skippedCount], before);
        if (!opened) continue;
        assert.deepEqual(opened.content, messageOf(seq, `message ${seq}`));
        opened.commit();
        seen.add(seq);
      }
    }),
    { seed, numRuns: 40 },
  );
});

test('an open kind stands readable in the label, and its HMAC counts', () => {
  const content = Uint8Array.of(0x83, 0, 0, 0x80);
  const sealed = seal(node, new SendingRatchet(node.crypto, START), content, planOf(KIND.end));
  assert.deepEqual(readFrame(sealed.bytes).body, new Uint8Array(0));
  assert.deepEqual(decodeLabel(sealed.label).content, content);
  const opened = open(node, new ReceivingRatchet(node.crypto, START), sealed.bytes);
  assert.deepEqual(opened.content, content);
  const other = { ...START, chainKey: new Uint8Array(32) };
  assert.equal(
    codeOf(() => open(node, new ReceivingRatchet(node.crypto, other), sealed.bytes)),
    'mac-invalid',
  );
});

const refused: Record<string, [code: string, Forgery]> = {
  'a body in the place of none': [
    'malformed',
    { kind: KIND.end, frame: (fields) => void fields.splice(1, 1, Uint8Array.of(1)) },
  ],
  'no body in the place of one': ['malformed', { frame: (fields) => void fields.splice(1, 1, new Uint8Array(0)) }],
  'a body that is text': ['malformed', { frame: (fields) => void fields.splice(1, 1, 'body') }],
  'one element': ['malformed', { frame: (fields) => void fields.pop() }],
  'three elements': ['malformed', { frame: (fields) => void fields.push(0) }],
  'another body': ['body-mismatch', { frame: (fields) => void fields.splice(1, 1, new Uint8Array(64)) }],
  'a body cut short': [
    'body-mismatch',
    { frame: (fields) => void fields.splice(1, 1, (fields[1] as Uint8Array).subarray(1)) },
  ],
  'an HMAC over something else': ['mac-invalid', { mac0: (fields) => void fields.splice(3, 1, new Uint8Array(32)) }],
  "somebody else's signature": ['signature-invalid', { signer: RECIPIENT }],
  'the same signature with high s': ['signature-invalid', { signature: withHighS }],
  'a jump too far': ['skipped-too-far', { seq: 2001 }],
  'a jump of 2^31': ['skipped-too-far', { seq: 2 ** 31 }],
};

for (const [what, [code, forgery]] of Object.entries(refused)) {
  test(`refused without a change of state: ${what}`, () => {
    const receiving = new ReceivingRatchet(node.crypto, START);
    assert.equal(
      codeOf(() => open(node, receiving, forgeFrame(forgery))),
      code,
    );
    assert.deepEqual([receiving.nextSeq, receiving.skippedCount], [0, 0]);
    assert.equal(
      codeOf(() => open(node, receiving, forgeFrame())),
      'none',
    );
  });
}

test('the body hash is checked before any step of the ratchet', () => {
  let hmacs = 0;
  const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array => {
    hmacs += 1;
    return nobleCrypto.hmac(key, data);
  };
  const crypto = { ...nobleCrypto, hmac };
  const frame = forgeFrame({ seq: 1500, frame: (fields) => void fields.splice(1, 1, new Uint8Array(64)) });
  const receiving = new ReceivingRatchet(crypto, START);
  assert.equal(
    codeOf(() => receiveFrame(frame).verified(true).open(crypto, receiving)),
    'body-mismatch',
  );
  assert.equal(hmacs, 0);
});

test('an HMAC that commits to another header does not hold', () => {
  const honest = forgeFrame();
  const { mac } = receiveFrame(honest).label;
  const moved = forgeFrame({
    claims: (claims) => void claims.set(6, 5),
    mac0: (fields) => void fields.splice(3, 1, mac),
  });
  assert.equal(
    codeOf(() => open(node, new ReceivingRatchet(node.crypto, START), moved)),
    'mac-invalid',
  );
});

test('frames are bounded both ways, and one that is too large takes no key', () => {
  const sending = new SendingRatchet(node.crypto, START);
  assert.equal(
    codeOf(() => draftFrame(node.crypto, sending, planOf(), new Uint8Array(FRAME_BYTES_MAX + 1))),
    'too-large',
  );
  assert.equal(sending.nextSeq, 0);
  assert.equal(
    codeOf(() => readFrame(new Uint8Array(FRAME_BYTES_MAX + 1))),
    'too-large',
  );
});

test('bodies of every length keep their label whole', () => {
  const { label } = seal(node, new SendingRatchet(node.crypto, START), messageOf(0, 'x'));
  for (const length of [1, 23, 24, 255, 256, 65_535, 65_536, 100_000]) {
    const body = new Uint8Array(length);
    const bytes = joinFrame(label, body);
    assert.deepEqual(bytes, concatBytes(Uint8Array.of(0x82), label, encodeCbor(body)));
    const frame = readFrame(bytes);
    assert.deepEqual(frame.label.bytes, label);
    assert.deepEqual(frame.body, body);
  }
});

test('two frames never share keys, even of a ratchet that was rolled back', () => {
  const [first, second] = [0, 1].map(() =>
    seal(node, new SendingRatchet(node.crypto, START), messageOf(0, 'the same')),
  );
  assert.ok(first && second);
  assert.notDeepEqual(readFrame(first.bytes).body, readFrame(second.bytes).body);
  assert.notDeepEqual(decodeLabel(first.label).tokenId, decodeLabel(second.label).tokenId);
});

test('a signature is made low before it goes out', () => {
  const draft = draftFrame(node.crypto, new SendingRatchet(node.crypto, START), planOf(), messageOf(0, 'x'));
  const low = signAs(SENDER, draft.toBeSigned);
  assert.deepEqual(draft.finish(withHighS(low)).bytes, draft.finish(low).bytes);
});

test('any bytes at all are refused as an error of ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      assert.throws(() => receiveFrame(bytes), isSealwireError);
    }),
    { seed, numRuns: 500 },
  );
});
