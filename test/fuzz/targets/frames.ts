import { concatBytes, equalBytes, utf8ToBytes } from '../../../src/core/bytes.ts';
import { CborWriter } from '../../../src/core/cbor-writer.ts';
import { encodeMac0, encodeSign1, mac0Tag, sign1ToBeSigned } from '../../../src/core/cose.ts';
import { encodeMessage, joinBody, readBody } from '../../../src/core/frame/body.ts';
import { decodeRatchetEnd, encodeRatchetEnd } from '../../../src/core/frame/end.ts';
import { joinFrame, readFrame } from '../../../src/core/frame/frame.ts';
import {
  decodeLabel,
  draftLabel,
  encodeLabelHeader,
  isOpenKind,
  readLabelHeader,
} from '../../../src/core/frame/label.ts';
import { type DeliveryReceipt, decodeDeliveryReceipt, encodeDeliveryReceipt } from '../../../src/core/frame/receipt.ts';
import { readRoute } from '../../../src/core/frame/route.ts';
import { draftFrame, type LabelPlan } from '../../../src/core/frame/seal.ts';
import { idToTopic } from '../../../src/core/identity/id.ts';
import { KIND, type Kind } from '../../../src/core/kinds.ts';
import { TreeHasher } from '../../../src/core/ledger/merkle.ts';
import type { Clock } from '../../../src/core/ports.ts';
import { encryptionKeyOf, macKeyOf } from '../../../src/core/ratchet/keys.ts';
import { ReceivingRatchet } from '../../../src/core/ratchet/receiving.ts';
import { SendingRatchet } from '../../../src/core/ratchet/sending.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { Incoming, type IncomingHandlers, type ReceivedMessage } from '../../../src/roles/incoming.ts';
import { AsyncQueue } from '../../../src/roles/queue.ts';
import { SESSION_TUNING, type SessionContext } from '../../../src/roles/session-context.ts';
import { START } from '../../support/frames.ts';
import { NOW_MS } from '../../support/identities.ts';
import { SILENT } from '../../support/silent-handlers.ts';
import { joinParts, partsIn } from '../mutate/cbor.ts';
import { codec, onlyGenuine, type Target, Unsound } from '../target.ts';
import { type Someone, someone } from './people.ts';

const NOTHING = new Uint8Array(0);

/** Whatever asks for random bytes gets the next ones of a fixed row, so that seeds are the same in every run. */
export function fixedRandom(): typeof nodeCrypto {
  let count = 0;
  return {
    ...nodeCrypto,
    random: (length) => nodeCrypto.sha256(utf8ToBytes(`random ${count++}`)).subarray(0, length),
  };
}

function messageOf(n: number, payload: string, contentType: number | string = 0): Uint8Array {
  const stream = new Uint8Array(8).fill(0x57);
  return encodeMessage({ stream, n, timeMs: NOW_MS, contentType, payload: utf8ToBytes(payload) });
}

const bodies = [
  joinBody([messageOf(0, '21.5 °C')]),
  joinBody([messageOf(0, 'a', 'text/plain'), messageOf(1, ''), messageOf(2, 'c')], 40),
  joinBody([messageOf(24, 'x'.repeat(300))], 260),
];

function receiptOf(senderId: Uint8Array): DeliveryReceipt {
  const labelsHash = new Uint8Array(32).fill(9);
  return {
    senderId,
    ratchetId: START.ratchetId,
    ranges: [
      [0, 3],
      [5, 5],
      [300, 4000],
    ],
    labelsHash,
  };
}

const END = { finalSeq: 3, messages: 3, voids: [1] };

function planOf(sender: Someone, reader: Someone, kind: Kind, more: Partial<LabelPlan> = {}): LabelPlan {
  return {
    ...{ kind, senderId: sender.id, rosterName: '', topic: idToTopic(reader.id), expiresAtS: null },
    ...{ issuedAtS: NOW_MS / 1000, channel: null, roster: null, head: null, ...more },
  };
}

/** Who sends and who reads, and genuine frames of one session between them. */
interface Scene {
  readonly sender: Someone;
  readonly reader: Someone;
  readonly frames: readonly Uint8Array[];
}

async function scene(): Promise<Scene> {
  const [sender, reader] = [await someone('alice', 11), await someone('bob', 12)];
  const contents: readonly [LabelPlan, Uint8Array][] = [
    ...bodies.map((body): [LabelPlan, Uint8Array] => [planOf(sender, reader, KIND.message), body]),
    [planOf(sender, reader, KIND.end), encodeRatchetEnd(END)],
    [planOf(sender, reader, KIND.deliveryReceipt), encodeDeliveryReceipt(receiptOf(reader.id))],
    [planOf(sender, reader, KIND.grant), joinBody([messageOf(0, 'no grant')])],
    [
      planOf(sender, reader, KIND.message, {
        ...{ topic: 'plant/a%b:c', expiresAtS: NOW_MS / 1000 + 60 },
        ...{ head: { treeSize: 70_000, root: new Uint8Array(32).fill(1) } },
        ...{ roster: { version: 2, hash: new Uint8Array(16).fill(2) } },
      }),
      joinBody([messageOf(0, 'about a topic')]),
    ],
  ];
  const crypto = fixedRandom();
  const sending = new SendingRatchet(crypto, START);
  const frames: Uint8Array[] = [];
  for (const [plan, content] of contents) {
    const draft = draftFrame(crypto, sending, plan, content);
    frames.push(draft.finish(await sender.signer.sign(draft.toBeSigned)).bytes);
  }
  return { sender, reader, frames };
}

const stillClock: Clock = { now: () => NOW_MS, elapsed: () => 0, after: () => () => {}, turn: () => Promise.resolve() };
const notUsed = (): never => {
  throw new Error('the receiving half of a session sends nothing');
};

/** What a session's receiving half has made of a unit. */
interface Heard {
  readonly messages: readonly ReceivedMessage[];
  readonly taken: number;
}

/** Hands a unit to the receiving half of a fresh session; throws what it refuses it with. */
async function hear({ sender, reader }: Scene, verify: SessionContext['verifier'], unit: Uint8Array): Promise<Heard> {
  let refusal: unknown;
  let taken = 0;
  const take = (): void => {
    taken += 1;
  };
  const handlers: IncomingHandlers = {
    ...SILENT,
    ...{ onDeliveryReceipt: take, onControl: take, onTaken: take },
  };
  const context: SessionContext = {
    ...{ crypto: nodeCrypto, hasher: new TreeHasher(nodeCrypto), clock: stillClock, ownId: reader.id },
    ...{
      signer: reader.signer,
      peerId: sender.id,
      verifier: verify,
      sink: null,
      tuning: SESSION_TUNING,
      control: null,
    },
    connection: { remote: '', send: notUsed, receive: notUsed, close: notUsed, [Symbol.asyncDispose]: notUsed },
    units: { [Symbol.asyncIterator]: notUsed },
    onEvent: (event) => {
      if (event.type === 'refused') refusal = event.error;
    },
  };
  const queue = new AsyncQueue<ReceivedMessage>(4096);
  const incoming = new Incoming(context, START, queue, handlers);
  await incoming.take(unit);
  // Whatever waits for something before it is given up on, and comes now.
  await incoming.giveUp();
  incoming.stop();
  if (refusal !== undefined) throw refusal;
  return { messages: queue.drop(), taken };
}

/** A frame's body and header as somebody says who has all the keys. */
export function sealed(sender: Someone, header: Uint8Array, content: Uint8Array): Uint8Array {
  const seq = Math.min(seqIn(header) ?? 0, 2000);
  const { key } = new ReceivingRatchet(nodeCrypto, START).lookUp(seq);
  const headerHash = nodeCrypto.sha256(header);
  const isOpen = isOpenKind(kindIn(header) ?? KIND.message);
  const body = isOpen ? null : nodeCrypto.aes256Ctr(encryptionKeyOf(nodeCrypto, key, headerHash), content);
  const payload = body ? nodeCrypto.sha256(body) : content;
  const tag = mac0Tag(nodeCrypto, macKeyOf(nodeCrypto, key, headerHash), payload, header);
  return joinFrame(signed(sender, header, encodeMac0({ payload, tag })), body);
}

function signed(sender: Someone, protectedBytes: Uint8Array, payload: Uint8Array): Uint8Array {
  const signature = sender.fast(sign1ToBeSigned(protectedBytes, payload));
  return encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature });
}

function kindIn(header: Uint8Array): number | undefined {
  try {
    return readLabelHeader(header).kind;
  } catch {
    return undefined;
  }
}

function seqIn(header: Uint8Array): number | undefined {
  try {
    return readLabelHeader(header).seq;
  } catch {
    return undefined;
  }
}

/** A label's header, and the content of the frame at its place. */
function partsOf(plan: LabelPlan, seq: number, content: Uint8Array): Uint8Array {
  const header = { ...plan, seq, ratchetId: START.ratchetId, tokenId: new Uint8Array(16).fill(seq + 1) };
  return joinParts([encodeLabelHeader(header), content]);
}

function bodyAgain(data: Uint8Array): Uint8Array {
  const messages = concatBytes(...readBody(data).map(encodeMessage));
  // How padding is cut into strings is its sender's business.
  return concatBytes(messages, data.subarray(messages.length));
}

const labels = async (): Promise<Uint8Array[]> => (await scene()).frames.map((frame) => readFrame(frame).label.bytes);

/** Frames and what they are made of. */
export const FRAMES: readonly Target[] = [
  codec({
    name: 'label',
    seeds: labels,
    again: (data) => {
      const label = decodeLabel(data);
      return draftLabel(encodeLabelHeader(label), { payload: label.content, tag: label.mac }).finish(label.signature);
    },
  }),
  codec({
    name: 'frame',
    seeds: async () => (await scene()).frames,
    again: (data) => {
      const { label, body } = readFrame(data);
      if (readRoute(data).seq !== label.seq) throw new Unsound('its route is not its label’s');
      return joinFrame(label.bytes, isOpenKind(label.kind) ? null : body);
    },
  }),
  codec({ name: 'body', seeds: () => bodies, again: bodyAgain }),
  codec({
    name: 'ratchet-end',
    seeds: () => [encodeRatchetEnd(END), encodeRatchetEnd({ ...END, voids: [0, 1, 2] })],
    again: (data) => encodeRatchetEnd(decodeRatchetEnd(data, END.finalSeq)),
  }),
  codec({
    name: 'delivery-receipt',
    seeds: () => [encodeDeliveryReceipt(receiptOf(new Uint8Array(32).fill(8)))],
    again: (data) => encodeDeliveryReceipt(decodeDeliveryReceipt(data)),
  }),
  {
    name: 'frame-received',
    mutator: 'cbor',
    weight: 4,
    async open() {
      const here = await scene();
      const verifier = nodeVerifier(here.sender.signer.publicKey);
      // A session knows nothing of grants unless it is told: refused or taken, it is genuine.
      const check = onlyGenuine(here.frames);
      return {
        seeds: here.frames,
        async judge(input) {
          const { messages, taken } = await hear(here, verifier, input);
          if (messages.length + taken > 0) check(input);
        },
      };
    },
  },
  {
    name: 'frame-of-member',
    mutator: 'parts',
    weight: 2,
    async open() {
      const here = await scene();
      const { sender, reader } = here;
      const verifier = nodeVerifier(sender.signer.publicKey);
      const plan = (kind: Kind): LabelPlan => planOf(sender, reader, kind);
      const seeds = [
        ...bodies.map((body, i) => partsOf(plan(KIND.message), i, body)),
        partsOf(plan(KIND.end), END.finalSeq, encodeRatchetEnd(END)),
        partsOf(plan(KIND.deliveryReceipt), 9, encodeDeliveryReceipt(receiptOf(reader.id))),
        partsOf(plan(KIND.grant), 1, joinBody([messageOf(0, 'grant')])),
        partsOf(plan(KIND.roster), 1999, joinBody([messageOf(2, 'roster')])),
        partsOf(plan(KIND.ledgerReceipt), 2, joinBody([messageOf(5, 'receipt')])),
      ];
      return {
        seeds,
        async judge(input) {
          const [header = NOTHING, content = NOTHING] = partsIn(input) ?? [];
          const { messages } = await hear(here, verifier, sealed(sender, header, content));
          for (const { senderId } of messages) {
            if (!equalBytes(senderId, sender.id)) throw new Unsound('a message of somebody else');
          }
        },
      };
    },
  },
  {
    name: 'frame-mac-of-member',
    mutator: 'parts',
    weight: 2,
    // Not the Mac0 that a label has: signed by a member all the same.
    async open() {
      const here = await scene();
      const { sender } = here;
      const verifier = nodeVerifier(sender.signer.publicKey);
      const seeds = here.frames.map((frame) => {
        const { label, body } = readFrame(frame);
        return joinParts([label.protectedBytes, encodeMac0({ payload: label.content, tag: label.mac }), body]);
      });
      const check = onlyGenuine(seeds);
      return {
        seeds,
        async judge(input) {
          const [header = NOTHING, mac0 = NOTHING, body = NOTHING] = partsIn(input) ?? [];
          const frame = new CborWriter(64)
            .array(2)
            .raw(signed(sender, header, mac0))
            .bytes(body)
            .finish();
          const { messages, taken } = await hear(here, verifier, frame);
          if (messages.length + taken > 0) check(input);
        },
      };
    },
  },
];
