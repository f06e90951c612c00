import {
  createCipheriv,
  createHmac,
  createSecretKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { encodeMessage, joinBody, readBody } from '../src/core/frame/body.ts';
import { receiveFrame } from '../src/core/frame/open.ts';
import { draftFrame, type LabelPlan, type SealedFrame } from '../src/core/frame/seal.ts';
import { identityId, idToTopic } from '../src/core/identity/id.ts';
import { KIND } from '../src/core/kinds.ts';
import type { Signer, Verifier } from '../src/core/ports.ts';
import { ReceivingRatchet } from '../src/core/ratchet/receiving.ts';
import { type RatchetPosition, SendingRatchet } from '../src/core/ratchet/sending.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from '../src/node/crypto.ts';
import { type Comparison, compareRates } from './measure.ts';
import type { Bench, Row } from './row.ts';

const PAYLOAD_BYTES = 256;
const BATCH = 64;
const ROUNDS = { 1: { rounds: 40, runs: 200 }, 64: { rounds: 40, runs: 30 } } as const;
/** Until the code is compiled for good. */
const WARM_UP = { 1: { rounds: 8, runs: 200 }, 64: { rounds: 8, runs: 30 } } as const;

const STREAM = new Uint8Array(8);
const PAYLOAD = new Uint8Array(PAYLOAD_BYTES).fill(0x61);
/** 25 bytes. */
const TOPIC = 'plant/line-4/boiler-2/tem';
const START: RatchetPosition = { ratchetId: new Uint8Array(16), seq: 0, chainKey: new Uint8Array(32) };

interface Keys {
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly id: Uint8Array;
}

function makeKeys(): Keys {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = nodeSigner(privateKey);
  const id = identityId(nodeCrypto, signer.publicKey);
  return { signer, verifier: nodeVerifier(signer.publicKey), privateKey, publicKey, id };
}

function planFor({ id }: Keys, rest: Partial<LabelPlan> = {}): LabelPlan {
  return {
    kind: KIND.message,
    senderId: id,
    rosterName: '',
    topic: idToTopic(id),
    expiresAtS: null,
    issuedAtS: 1_782_864_000,
    channel: null,
    roster: null,
    head: { treeSize: 100_000, root: new Uint8Array(32) },
    ...rest,
  };
}

function plaintextOf(messages: number, firstN: number): Uint8Array {
  const encoded: Uint8Array[] = [];
  for (let n = firstN; n < firstN + messages; n++) {
    encoded.push(encodeMessage({ stream: STREAM, n, timeMs: 1_782_864_000_000, contentType: 42, payload: PAYLOAD }));
  }
  return joinBody(encoded);
}

function seal(keys: Keys, ratchet: SendingRatchet, plan: LabelPlan, plaintext: Uint8Array): SealedFrame {
  const draft = draftFrame(nodeCrypto, ratchet, plan, plaintext);
  const signature = keys.signer.sign(draft.toBeSigned);
  if (signature instanceof Promise) throw new Error('the bench signs synchronously');
  return draft.finish(signature);
}

function open(keys: Keys, ratchet: ReceivingRatchet, frame: Uint8Array, messages: number): void {
  const received = receiveFrame(frame);
  const { toBeVerified, signature } = received.label;
  const opened = received.verified(keys.verifier.verify(toBeVerified, signature) === true).open(nodeCrypto, ratchet);
  if (readBody(opened.content).length !== messages) throw new Error('the bench lost a message');
  opened.commit();
}

const KEY = createSecretKey(new Uint8Array(32).fill(1));
const STEP = Uint8Array.of(1);
/** What HKDF-Expand hashes for one key: "sealwire/1 enc", the header's hash, the block's number. */
const KEY_INFO = new Uint8Array(14 + 32 + 1);
/** What ES256 signs for a label of a session, and what its HMAC is over; about their lengths. */
const TO_BE_SIGNED = new Uint8Array(320);
const TO_BE_MACED = new Uint8Array(250);
const COUNTER = new Uint8Array(16);

/** The seven primitives that a frame takes on either side, apart from its signature. */
function bareSymmetric(body: Uint8Array): void {
  // Ratchet: the frame's key, the next chain key.
  createHmac('sha256', KEY).update(STEP).digest();
  createHmac('sha256', KEY).update(STEP).digest();
  // Key derivation: encryption key, HMAC key.
  createHmac('sha256', KEY).update(KEY_INFO).digest();
  createHmac('sha256', KEY).update(KEY_INFO).digest();
  // The body: one AES-256-CTR pass, one SHA-256.
  createCipheriv('aes-256-ctr', KEY, COUNTER).update(body);
  hash('sha256', body, 'buffer');
  // The tag.
  createHmac('sha256', KEY).update(TO_BE_MACED).digest();
}

/** Sealing without anything but the primitives: {@link bareSymmetric} and one P-256 signature. */
function bareSeal({ privateKey }: Keys, body: Uint8Array): void {
  bareSymmetric(body);
  sign('sha256', TO_BE_SIGNED, privateKey);
}

/** Opening without anything but the primitives: {@link bareSymmetric} and one P-256 verification. */
function bareOpen({ publicKey }: Keys, body: Uint8Array, signature: Uint8Array): void {
  bareSymmetric(body);
  verify('sha256', TO_BE_SIGNED, publicKey, signature);
}

async function rowsOf(keys: Keys, messages: 1 | 64): Promise<Row[]> {
  const plan = planFor(keys);
  const body = plaintextOf(messages, 0);
  const sending = new SendingRatchet(nodeCrypto, START);
  const sealNext = (): Uint8Array => seal(keys, sending, plan, plaintextOf(messages, sending.nextSeq * messages)).bytes;
  const bare = (): void => bareSeal(keys, body);
  await compareRates(sealNext, bare, WARM_UP[messages]);
  const sealing = await compareRates(sealNext, bare, ROUNDS[messages]);
  const opening = await compareOpening(keys, messages, body);
  const row = (name: string, { oursPerSecond, ratio }: Comparison): Row => ({
    name: `${name}-${messages}`,
    value: messages * oursPerSecond,
    unit: 'messages/s',
    ratio,
    against: 'bare primitives',
  });
  return [row('seal', sealing), row('open', opening)];
}

async function compareOpening(keys: Keys, messages: 1 | 64, body: Uint8Array): Promise<Comparison> {
  const sending = new SendingRatchet(nodeCrypto, START);
  const receiving = new ReceivingRatchet(nodeCrypto, START);
  const plan = planFor(keys);
  const plaintext = plaintextOf(messages, 0);
  const [warmUp, rounds] = [WARM_UP[messages], ROUNDS[messages]];
  const count = (warmUp.rounds + 1) * warmUp.runs + (rounds.rounds + 1) * rounds.runs;
  const frames = Array.from({ length: count }, () => seal(keys, sending, plan, plaintext).bytes);
  const openNext = (): void => open(keys, receiving, frames[receiving.nextSeq] ?? body, messages);
  const signature = sign('sha256', TO_BE_SIGNED, keys.privateKey);
  const bare = (): void => bareOpen(keys, body, signature);
  await compareRates(openNext, bare, warmUp);
  return compareRates(openNext, bare, rounds);
}

/** What a frame adds to one payload, in a channel and with everything that a label may carry but an expiry. */
function labelBytes(keys: Keys): Row {
  const plan = planFor(keys, { topic: TOPIC });
  const { bytes } = seal(keys, new SendingRatchet(nodeCrypto, START), plan, plaintextOf(1, 0));
  return { name: 'label-bytes', value: bytes.length - PAYLOAD_BYTES, unit: 'bytes', ratio: null, against: null };
}

async function run(): Promise<Row[]> {
  const keys = makeKeys();
  return [...(await rowsOf(keys, 1)), ...(await rowsOf(keys, BATCH)), labelBytes(keys)];
}

/** Frames in one process, from payload to wire and back, keys ready; rates count messages. */
export const bench: Bench = {
  // With collector threads on few cores one and the same process measures seal-1 at 0.63 or at 0.85, by chance.
  nodeFlags: ['--single-threaded-gc'],
  names: ['seal-1', 'open-1', 'seal-64', 'open-64', 'label-bytes'],
  run,
};
