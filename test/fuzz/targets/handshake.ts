import { p256 } from '@noble/curves/nist.js';
import { concatBytes, equalBytes } from '../../../src/core/bytes.ts';
import { encodeCbor } from '../../../src/core/cbor.ts';
import type { Crypto } from '../../../src/core/crypto/port.ts';
import { credentialFromIdCred, credentialToIdCred } from '../../../src/core/handshake/credential.ts';
import { seal } from '../../../src/core/handshake/encrypt0.ts';
import { decodeEnvelope, encodeEnvelope } from '../../../src/core/handshake/envelope.ts';
import { decodeErrorMessage, encodeErrorMessage } from '../../../src/core/handshake/error-message.ts';
import { cipher2, extractPrk, nextTranscript, transcript2 } from '../../../src/core/handshake/key-schedule.ts';
import { decodeMessage1, encodeMessage1 } from '../../../src/core/handshake/message-1.ts';
import {
  decodeMessage2,
  decodePlaintext2,
  encodeMessage2,
  encodePlaintext2,
} from '../../../src/core/handshake/message-2.ts';
import { decodePlaintext3, encodeMessage3, encodePlaintext3 } from '../../../src/core/handshake/message-3.ts';
import { initiatorToBeSigned, responderToBeSigned } from '../../../src/core/handshake/proof.ts';
import { suite5 } from '../../../src/core/handshake/suites.ts';
import type { Connection } from '../../../src/core/ports.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { Authenticating } from '../../../src/roles/authenticating.ts';
import type { HandshakeParty } from '../../../src/roles/handshake-steps.ts';
import { initiate, respond } from '../../../src/roles/handshaking.ts';
import type { SessionStart } from '../../../src/roles/session.ts';
import { fixedCrypto } from '../../support/handshake.ts';
import { NOW_MS } from '../../support/identities.ts';
import { joinParts, partsIn } from '../mutate/cbor.ts';
import { codec, onlyGenuine, type Target, Unsound } from '../target.ts';
import { authority, type Someone, someone } from './people.ts';

const SUITE = suite5(nodeCrypto);
const SIGNATURE_BYTES = 64;

/** The same ephemeral key and identifier in every handshake of one side, so that one can be played again. */
function cryptoOf(number: number): Crypto {
  const privateKey = new Uint8Array(32).fill(number);
  const publicX = p256.getPublicKey(privateKey, true).slice(1);
  return fixedCrypto(nodeCrypto, { random: new Uint8Array(8).fill(number), privateKey, publicX });
}

const [INITIATING, RESPONDING] = [0x31, 0x32];
function partyOf(self: Someone, root: Someone, number: number): HandshakeParty {
  const clock = { now: () => NOW_MS, elapsed: () => 0, after: () => () => {}, turn: () => Promise.resolve() };
  const shared = { crypto: cryptoOf(number), clock, verifierOf: nodeVerifier };
  const authenticating = new Authenticating({ ...shared, anchors: () => [root.holder.certificate] });
  return { ...shared, identity: self, authenticating, timeoutMs: 1000 };
}

/** A line on which these units have come; what is sent is kept. */
function lineWith(units: readonly Uint8Array[]) {
  const sent: Uint8Array[] = [];
  let read = 0;
  const iterator: AsyncIterableIterator<Uint8Array> = {
    next: async () => {
      const value = units[read++];
      return value === undefined ? { done: true, value } : { done: false, value };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  const connection: Connection = {
    remote: 'nowhere',
    send: async (unit) => void sent.push(unit),
    receive: () => iterator,
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return { connection, iterator, sent };
}

/** Alice, who begins, and bob, who answers; what they send each other when nobody is in between. */
async function scene() {
  const [root, alice, bob] = [await authority(), await someone('alice', 11), await someone('bob', 12)];
  const [initiator, responder] = [partyOf(alice, root, INITIATING), partyOf(bob, root, RESPONDING)];
  const a1 = lineWith([]);
  await initiate(initiator, a1.connection, a1.iterator, 'bob').catch(() => {});
  const [unit1 = new Uint8Array(0)] = a1.sent;
  const b2 = lineWith([unit1]);
  await respond(responder, b2.connection, b2.iterator).catch(() => {});
  const [unit2 = new Uint8Array(0)] = b2.sent;
  const a2 = lineWith([unit2]);
  await initiate(initiator, a2.connection, a2.iterator, 'bob').catch(() => {});
  const unit3 = a2.sent[1] ?? new Uint8Array(0);
  const b3 = lineWith([unit1, unit3]);
  await respond(responder, b3.connection, b3.iterator);
  const unit4 = b3.sent[1] ?? new Uint8Array(0);
  return { alice, bob, initiator, responder, units: [unit1, unit2, unit3, unit4] as const };
}

type Scene = Awaited<ReturnType<typeof scene>>;
const messageIn = (unit: Uint8Array): Uint8Array => decodeEnvelope(unit).message;

/** What message_2 and message_3 hold, as alice can open and make them. */
function opened({ alice, bob, units }: Scene) {
  const crypto = nodeCrypto;
  const message1 = messageIn(units[0]);
  const { publicY, ciphertext } = decodeMessage2(messageIn(units[1]), SUITE);
  const transcript = transcript2(crypto, publicY, message1);
  const prk = extractPrk(crypto, transcript, SUITE.ecdh.agree(new Uint8Array(32).fill(INITIATING), publicY));
  const plaintext2 = cipher2(crypto, prk, transcript, ciphertext);
  const transcript3 = nextTranscript(crypto, transcript, plaintext2, bob.certificates[0] ?? new Uint8Array(0));
  const idCred = credentialToIdCred({ type: 'x5chain', certificates: alice.certificates });
  return { message1, publicY, transcript, prk, plaintext2, transcript3, idCred };
}

function withEad(plaintext: Uint8Array, ...items: readonly (number | Uint8Array)[]): Uint8Array {
  return concatBytes(plaintext, ...items.map((item) => encodeCbor(item)));
}

/** Runs one side over units; what was believed has to be what the genuine other side has sent. */
function side(
  name: string,
  run: (here: Scene, units: readonly Uint8Array[]) => Promise<SessionStart>,
  own: 0 | 1,
): Target {
  return {
    name,
    mutator: 'parts',
    weight: 1,
    async open() {
      const here = await scene();
      const genuine = here.units.filter((_, i) => i % 2 === own);
      const error = encodeEnvelope({
        connectionId: own === 1 ? new Uint8Array(8).fill(INITIATING) : null,
        message: encodeErrorMessage({ kind: 'wrong-suite', suites: [2, 5] }),
      });
      const check = onlyGenuine(genuine);
      return {
        seeds: [joinParts(genuine), joinParts([error, ...genuine]), joinParts(here.units)],
        async judge(input) {
          const units = partsIn(input) ?? [];
          await run(here, units);
          for (const unit of units.slice(0, genuine.length)) check(unit);
        },
      };
    },
  };
}

/** What a member says under encryption: it has all the keys, and signs what it likes. */
function plaintexts(here: Scene, number: 2 | 3): Uint8Array[] {
  const { plaintext2, idCred } = opened(here);
  const signature = new Uint8Array(SIGNATURE_BYTES).fill(7);
  const plaintext3 = encodePlaintext3(idCred, signature);
  const genuine = number === 2 ? plaintext2 : plaintext3;
  return [genuine, withEad(genuine, 0, new Uint8Array(3)), withEad(genuine, 9)];
}

/** Alice takes a message_2 whose plaintext somebody has made who has bob's ephemeral key and `speaker`'s long-term key. */
function plaintext2Target(name: string, isSignedAnew: boolean): Target {
  return {
    name,
    mutator: 'cbor',
    weight: 1,
    async open() {
      const here = await scene();
      const { publicY, transcript, prk } = opened(here);
      const seeds = plaintexts(here, 2);
      const check = onlyGenuine(seeds.slice(0, 1));
      return {
        seeds,
        async judge(input) {
          const plaintext = isSignedAnew ? signed2(here, prk, transcript, input) : input;
          const message = encodeMessage2({ publicY, ciphertext: cipher2(nodeCrypto, prk, transcript, plaintext) });
          const unit = encodeEnvelope({ connectionId: new Uint8Array(8).fill(INITIATING), message });
          const line = lineWith([unit]);
          await initiate(here.initiator, line.connection, line.iterator, 'bob').catch((error: unknown) => {
            // It got as far as message_3: what came was believed, and an end of the line follows.
            if (line.sent.length < 2 || isRefusal(line.sent[1])) throw error;
          });
          if (!isSignedAnew) check(input);
        },
      };
    },
  };
}

function isRefusal(unit: Uint8Array | undefined): boolean {
  return unit === undefined || decodeErrorMessage(decodeEnvelope(unit).message) !== null;
}

function signed2({ bob }: Scene, prk: Uint8Array, transcript: Uint8Array, input: Uint8Array): Uint8Array {
  const fields = read(() => decodePlaintext2(input, SIGNATURE_BYTES));
  if (!fields) return input;
  const certificate = certificateIn(fields.idCred) ?? bob.certificates[0] ?? new Uint8Array(0);
  const { connectionId, idCred, ead } = fields;
  const signature = bob.fast(
    responderToBeSigned(nodeCrypto, connectionId, { prk, transcript, idCred, certificate, ead }),
  );
  return concatBytes(encodePlaintext2(connectionId, idCred, signature), ead);
}

function signed3({ alice }: Scene, prk: Uint8Array, transcript: Uint8Array, input: Uint8Array): Uint8Array {
  const fields = read(() => decodePlaintext3(input, SIGNATURE_BYTES));
  if (!fields) return input;
  const certificate = certificateIn(fields.idCred) ?? alice.certificates[0] ?? new Uint8Array(0);
  const { idCred, ead } = fields;
  const signature = alice.fast(initiatorToBeSigned(nodeCrypto, { prk, transcript, idCred, certificate, ead }));
  return concatBytes(encodePlaintext3(idCred, signature), ead);
}

function certificateIn(idCred: Parameters<typeof credentialFromIdCred>[0]): Uint8Array | undefined {
  const credential = read(() => credentialFromIdCred(idCred));
  return credential?.type === 'x5chain' ? credential.certificates[0] : undefined;
}

function read<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

/** Bob takes a message_3 of a member whose key is her own and whose plaintext is anything. */
const plaintext3Target: Target = {
  name: 'plaintext-3-of-member',
  mutator: 'cbor',
  weight: 1,
  async open() {
    const here = await scene();
    const { prk, transcript3 } = opened(here);
    return {
      seeds: plaintexts(here, 3),
      async judge(input) {
        const plaintext = signed3(here, prk, transcript3, input);
        const message = encodeMessage3(
          seal(nodeCrypto, SUITE, { prk, transcript: transcript3, message: 3 }, plaintext),
        );
        const unit = encodeEnvelope({ connectionId: new Uint8Array(8).fill(RESPONDING), message });
        const line = lineWith([here.units[0], unit]);
        const { peer } = await respond(here.responder, line.connection, line.iterator);
        if (!equalBytes(peer.id, here.alice.id)) throw new Unsound('somebody else was believed to be there');
      },
    };
  },
};

/** What stands before EAD, which is ignored and not kept. */
function prefixed(encoded: Uint8Array, data: Uint8Array): Uint8Array {
  return concatBytes(encoded, data.subarray(encoded.length));
}

const certificates = async (): Promise<readonly Uint8Array[]> => (await someone('alice', 11)).certificates;
const connectionId = new Uint8Array(8).fill(5);
const proof = new Uint8Array(SIGNATURE_BYTES).fill(6);

/** EDHOC: its messages alone, and both sides as they run it. */
export const HANDSHAKE: readonly Target[] = [
  codec({
    name: 'envelope',
    seeds: () => [
      encodeEnvelope({ connectionId: null, message: new Uint8Array(40).fill(1) }),
      encodeEnvelope({ connectionId, message: new Uint8Array(300) }),
    ],
    again: (data) => encodeEnvelope(decodeEnvelope(data)),
  }),
  codec({
    name: 'error-message',
    seeds: () => [
      encodeErrorMessage({ kind: 'unspecified', text: 'handshake failed' }),
      encodeErrorMessage({ kind: 'wrong-suite', suites: [2] }),
      encodeErrorMessage({ kind: 'wrong-suite', suites: [6, 2, 5] }),
      encodeErrorMessage({ kind: 'unknown-credential' }),
    ],
    again: (data) => {
      const message = decodeErrorMessage(data);
      // A message of another kind.
      return message ? encodeErrorMessage(message) : data;
    },
  }),
  codec({
    name: 'message-1',
    seeds: () => [
      encodeMessage1({ method: 0, suites: [5], publicX: new Uint8Array(32).fill(3), connectionId }),
      encodeMessage1({
        method: 0,
        suites: [5, 2],
        publicX: new Uint8Array(32).fill(3),
        connectionId: Uint8Array.of(5),
      }),
    ],
    again: (data) => prefixed(encodeMessage1(decodeMessage1(data)), data),
  }),
  codec({
    name: 'plaintext-2',
    seeds: async () => [
      encodePlaintext2(
        connectionId,
        credentialToIdCred({ type: 'x5chain', certificates: await certificates() }),
        proof,
      ),
      encodePlaintext2(
        connectionId,
        credentialToIdCred({ type: 'x5chain', certificates: [...(await certificates()), ...(await certificates())] }),
        proof,
      ),
      encodePlaintext2(
        Uint8Array.of(3),
        credentialToIdCred({ type: 'x5t', algorithm: -15, hash: new Uint8Array(8) }),
        proof,
      ),
    ],
    again: (data) => {
      const { connectionId: id, idCred, signature } = decodePlaintext2(data, SIGNATURE_BYTES);
      return prefixed(encodePlaintext2(id, credentialToIdCred(credentialFromIdCred(idCred)), signature), data);
    },
  }),
  side(
    'handshake-initiator',
    ({ initiator }, units) => {
      const line = lineWith(units);
      return initiate(initiator, line.connection, line.iterator, 'bob');
    },
    1,
  ),
  side(
    'handshake-responder',
    ({ responder }, units) => {
      const line = lineWith(units);
      return respond(responder, line.connection, line.iterator);
    },
    0,
  ),
  plaintext2Target('plaintext-2-sealed', false),
  plaintext2Target('plaintext-2-of-member', true),
  plaintext3Target,
];
