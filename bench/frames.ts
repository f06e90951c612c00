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
import type { Bench, Row } from './row.ts';

const PAYLOAD_BYTES = 256;
const BATCH = 64;
const ROUNDS = 40;
/** Until the code is compiled for good. */
const WARM_UP_ROUNDS = 10;
/** Frames in one measurement of one kind; rounds of all kinds take turns. */
const FRAMES_A_ROUND = { 1: 200, 64: 50 } as const;
const AGAINST = 'bare primitives';

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

/** Microseconds that each of `count` runs takes. */
function timeMicros(count: number, run: (at: number) => void): number {
  const start = process.hrtime.bigint();
  for (let at = 0; at < count; at++) run(at);
  return Number(process.hrtime.bigint() - start) / 1000 / count;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

interface Timing {
  readonly ours: number[];
  readonly ratios: number[];
}

/** Ours between two halves of the bare ones, so that a machine that slows down slows down both. */
function compare({ ours, ratios }: Timing, count: number, own: (at: number) => void, bare: () => void): void {
  const before = timeMicros(count / 2, bare);
  const micros = timeMicros(count, own);
  const after = timeMicros(count / 2, bare);
  ours.push(micros);
  ratios.push((before + after) / 2 / micros);
}

function measureRound(keys: Keys, messages: 1 | 64, sealing: Timing, opening: Timing): void {
  const count = FRAMES_A_ROUND[messages];
  const plan = planFor(keys);
  const body = plaintextOf(messages, 0);
  const signature = sign('sha256', TO_BE_SIGNED, keys.privateKey);
  const sending = new SendingRatchet(nodeCrypto, START);
  const receiving = new ReceivingRatchet(nodeCrypto, START);
  const frames: Uint8Array[] = [];
  compare(
    sealing,
    count,
    (at) => void frames.push(seal(keys, sending, plan, plaintextOf(messages, at * messages)).bytes),
    () => bareSeal(keys, body),
  );
  compare(
    opening,
    count,
    (at) => open(keys, receiving, frames[at] ?? body, messages),
    () => bareOpen(keys, body, signature),
  );
}

function rowsOf(keys: Keys, messages: 1 | 64): Row[] {
  const newTiming = (): Timing => ({ ours: [], ratios: [] });
  const [sealing, opening] = [newTiming(), newTiming()];
  for (let round = 0; round < WARM_UP_ROUNDS; round++) measureRound(keys, messages, newTiming(), newTiming());
  for (let round = 0; round < ROUNDS; round++) measureRound(keys, messages, sealing, opening);
  const row = (name: string, { ours, ratios }: Timing): Row => ({
    name: `${name}-${messages}`,
    value: (messages * 1e6) / median(ours),
    unit: 'messages/s',
    ratio: median(ratios),
    against: AGAINST,
  });
  return [row('seal', sealing), row('open', opening)];
}

/** What a frame adds to one payload, in a channel and with everything that a label may carry but an expiry. */
function labelBytes(keys: Keys): Row {
  const plan = planFor(keys, { topic: TOPIC });
  const { bytes } = seal(keys, new SendingRatchet(nodeCrypto, START), plan, plaintextOf(1, 0));
  return { name: 'label-bytes', value: bytes.length - PAYLOAD_BYTES, unit: 'bytes', ratio: null, against: null };
}

async function run(): Promise<Row[]> {
  const keys = makeKeys();
  return [...rowsOf(keys, 1), ...rowsOf(keys, BATCH), labelBytes(keys)];
}

/** Frames in one process, from payload to wire and back, keys ready; rates count messages. */
export const bench: Bench = { names: ['seal-1', 'open-1', 'seal-64', 'open-64', 'label-bytes'], run };
