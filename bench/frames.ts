import { createCipheriv, createHmac, createSecretKey, hash, sign, verify } from 'node:crypto';
import { ReceivingRatchet } from '../src/core/ratchet/receiving.ts';
import { SendingRatchet } from '../src/core/ratchet/sending.ts';
import { nodeCrypto } from '../src/node/crypto.ts';
import { type Keys, makeKeys, open, PAYLOAD_BYTES, plaintextOf, planFor, START, seal, TOPIC } from './frame-parts.ts';
import { type Comparison, compareRates } from './measure.ts';
import type { Bench, Row } from './row.ts';

const BATCH = 64;
const ROUNDS = { 1: { rounds: 40, runs: 200 }, 64: { rounds: 40, runs: 30 } } as const;
/** Until the code is compiled for good. */
const WARM_UP = { 1: { rounds: 8, runs: 200 }, 64: { rounds: 8, runs: 30 } } as const;

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
