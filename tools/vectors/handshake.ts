import { p256 } from '@noble/curves/nist.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '../../src/core/bytes.ts';
import { nobleSigner } from '../../src/core/crypto/noble.ts';
import type { Crypto } from '../../src/core/crypto/port.ts';
import { encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { encodeErrorMessage } from '../../src/core/handshake/error-message.ts';
import { startInitiator } from '../../src/core/handshake/initiator.ts';
import { extractPrk, transcript2 } from '../../src/core/handshake/key-schedule.ts';
import { presentChain } from '../../src/core/handshake/own.ts';
import { receiveMessage1 } from '../../src/core/handshake/responder.ts';
import { deriveSessionSecrets, EXPORTER_LABEL } from '../../src/core/handshake/session-keys.ts';
import { type Suite, suite2, suite5 } from '../../src/core/handshake/suites.ts';
import { type Certificate, parseCertificate } from '../../src/core/identity/certificate.ts';
import { draftCertificate } from '../../src/core/identity/certificate-draft.ts';
import { identityId } from '../../src/core/identity/id.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import {
  directory,
  fixedCrypto,
  type HandshakeRun,
  type Implementation,
  type Party,
  runHandshake,
} from '../../test/support/handshake.ts';

/** Somebody in the vectors; all values hex. */
export interface VectorIdentity {
  readonly name: string;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly id: string;
  /** DER, the own one first. */
  readonly certificates: readonly string[];
}

/** A whole handshake; all byte strings hex, each side's signatures RFC 6979 with low s. */
export interface HandshakeVector {
  readonly name: string;
  /** In the Initiator's order of preference; the last is the selected one. */
  readonly suites: readonly number[];
  readonly initiator: string;
  readonly responder: string;
  readonly rosterName: string;
  readonly ephemeral: { readonly X: string; readonly G_X: string; readonly Y: string; readonly G_Y: string };
  readonly C_I: string;
  readonly C_R: string;
  readonly G_XY: string;
  readonly TH_2: string;
  readonly PRK_2e: string;
  readonly toBeSigned_2: string;
  readonly toBeSigned_3: string;
  readonly messages: readonly [string, string, string, string];
  readonly envelopes: readonly [string, string, string, string];
  readonly exporterContext: string;
  readonly exported: { readonly chainKeys: string; readonly ids: string };
  readonly session: {
    readonly sessionId: string;
    readonly initiator: { readonly ratchetId: string; readonly chainKey: string };
    readonly responder: { readonly ratchetId: string; readonly chainKey: string };
  };
}

/** A message that ends the handshake vector named, given in place of its genuine one. */
export interface RefusedVector {
  readonly what: string;
  readonly handshake: string;
  /** Which of the four messages it stands for. */
  readonly message: 1 | 2 | 3 | 4;
  readonly bytes: string;
  /** Our error code for it; on the wire there is only error code 1. */
  readonly code: string;
}

/** `vectors/2-handshake.json`. */
export interface HandshakeVectors {
  readonly identities: readonly VectorIdentity[];
  readonly handshakes: readonly HandshakeVector[];
  readonly negotiation: {
    readonly message_1: string;
    readonly responderSuites: readonly number[];
    readonly error: string;
    readonly envelope: string;
  };
  readonly errors: Readonly<Record<string, string>>;
  readonly refused: readonly RefusedVector[];
}

/** The parts of a vector that decide all the rest. */
export type HandshakeInput = Pick<HandshakeVector, 'suites' | 'ephemeral' | 'C_I' | 'C_R'>;

const SUITES: Readonly<Record<number, (crypto: Crypto) => Suite>> = { 2: suite2, 5: suite5 };
const NODE: Implementation = { name: 'node', crypto: nodeCrypto, verifier: nodeVerifier };

/** One side of a handshake vector, on the primitives of `implementation`. */
export function vectorParty(
  implementation: Implementation,
  input: HandshakeInput,
  side: 'initiator' | 'responder',
  self: VectorIdentity,
  peer: VectorIdentity,
): Party {
  const { ephemeral } = input;
  const isInitiator = side === 'initiator';
  const crypto = fixedCrypto(implementation.crypto, {
    random: hexToBytes(isInitiator ? input.C_I : input.C_R),
    privateKey: hexToBytes(isInitiator ? ephemeral.X : ephemeral.Y),
    publicX: hexToBytes(isInitiator ? ephemeral.G_X : ephemeral.G_Y),
  });
  const signer = nobleSigner(hexToBytes(self.privateKey));
  const [peerCertificate = ''] = peer.certificates;
  const selected = input.suites.at(-1);
  return {
    crypto,
    // The Initiator of a vector always selects; the Responder has that suite only.
    suites: input.suites
      .filter((id) => isInitiator || id === selected)
      .map((id) => SUITES[id]?.(crypto) ?? suite5(crypto)),
    own: presentChain(signer.publicKey, self.certificates.map(hexToBytes)),
    sign: (toBeSigned) => signer.sign(toBeSigned) as Uint8Array,
    verify: (publicKey, toBeVerified, signature) =>
      implementation.verifier(publicKey).verify(toBeVerified, signature) === true,
    find: directory([{ certificate: hexToBytes(peerCertificate), publicKey: hexToBytes(peer.publicKey) }]),
  };
}

/** The Initiator's first words in a vector: with the most preferred suite, or already asked for its last. */
export function startVector(initiator: Party): ReturnType<typeof startInitiator> {
  const start = startInitiator(initiator);
  const selected = initiator.suites.at(-1);
  return initiator.suites.length > 1 && selected ? start.state.retry([selected.id]) : start;
}

/** Everything in `vectors/2-handshake.json`, the same each time. */
export function generate(): HandshakeVectors {
  const authority = makeIdentity('Plant CA', null);
  const alice = makeIdentity('alice', null);
  const bob = makeIdentity('bob', null);
  const sensor = makeIdentity('sensor-7', authority);
  const handshakes = [
    makeHandshake('suite 5, self-signed, no roster', [5], alice, bob, ''),
    makeHandshake('suite 2 after suite 5 was refused, roster plant', [5, 2], alice, bob, 'plant'),
    makeHandshake('suite 5, a certificate and its authority, roster plant', [5], sensor, bob, 'plant'),
  ];
  const [first] = handshakes;
  if (!first) throw new Error('no handshake');
  return {
    identities: [alice, bob, sensor],
    handshakes,
    negotiation: makeNegotiation(first, alice, bob),
    errors: {
      unspecified: bytesToHex(encodeErrorMessage({ kind: 'unspecified', text: 'handshake failed' })),
      wrongSuite: bytesToHex(encodeErrorMessage({ kind: 'wrong-suite', suites: [5, 2] })),
      unknownCredential: bytesToHex(encodeErrorMessage({ kind: 'unknown-credential' })),
    },
    refused: refusedFirst(first),
  };
}

/** A scalar, random bytes or the like that follow from a text. */
function seeded(what: string): Uint8Array {
  return nodeCrypto.sha256(utf8ToBytes(`sealwire vectors, chapter 2: ${what}`));
}

function makeIdentity(name: string, issuer: VectorIdentity | null): VectorIdentity {
  const privateKey = seeded(`key of ${name}`);
  const signer = nobleSigner(privateKey);
  const issuerCertificate = issuer && parseFirst(issuer);
  const draft = draftCertificate(nodeCrypto, {
    commonName: name,
    publicKey: signer.publicKey,
    notBeforeMs: Date.UTC(2026, 0, 1),
    notAfterMs: Date.UTC(2036, 0, 1),
    serial: seeded(`serial of ${name}`).slice(0, 16),
    ca: name.endsWith('CA'),
    ...(issuerCertificate ? { issuer: issuerCertificate } : {}),
  });
  const issuing = issuer ? nobleSigner(hexToBytes(issuer.privateKey)) : signer;
  const certificate = draft.finish(issuing.sign(draft.toBeSigned) as Uint8Array);
  return {
    name,
    privateKey: bytesToHex(privateKey),
    publicKey: bytesToHex(signer.publicKey),
    id: bytesToHex(identityId(nodeCrypto, signer.publicKey)),
    certificates: [bytesToHex(certificate), ...(issuer?.certificates ?? [])],
  };
}

function parseFirst({ certificates }: VectorIdentity): Certificate {
  const [first = ''] = certificates;
  return parseCertificate(hexToBytes(first));
}

function makeInput(name: string, suites: readonly number[]): HandshakeInput {
  const [X, Y] = [seeded(`X of ${name}`), seeded(`Y of ${name}`)];
  const publicX = (secret: Uint8Array): string => bytesToHex(p256.getPublicKey(secret, true).subarray(1));
  return {
    suites,
    ephemeral: { X: bytesToHex(X), G_X: publicX(X), Y: bytesToHex(Y), G_Y: publicX(Y) },
    C_I: bytesToHex(seeded(`C_I of ${name}`).slice(0, 8)),
    C_R: bytesToHex(seeded(`C_R of ${name}`).slice(0, 8)),
  };
}

function makeHandshake(
  name: string,
  suites: readonly number[],
  initiator: VectorIdentity,
  responder: VectorIdentity,
  rosterName: string,
): HandshakeVector {
  const input = makeInput(name, suites);
  const run = runHandshake(
    vectorParty(NODE, input, 'initiator', initiator, responder),
    vectorParty(NODE, input, 'responder', responder, initiator),
    { start: startVector },
  );
  const sharedSecret = nodeCrypto.ecdh(hexToBytes(input.ephemeral.X), hexToBytes(input.ephemeral.G_Y));
  const transcript = transcript2(nodeCrypto, hexToBytes(input.ephemeral.G_Y), run.message1);
  return {
    name,
    suites,
    initiator: initiator.name,
    responder: responder.name,
    rosterName,
    ephemeral: input.ephemeral,
    C_I: input.C_I,
    C_R: input.C_R,
    G_XY: bytesToHex(sharedSecret),
    TH_2: bytesToHex(transcript),
    PRK_2e: bytesToHex(extractPrk(nodeCrypto, transcript, sharedSecret)),
    toBeSigned_2: bytesToHex(run.toBeSigned2),
    toBeSigned_3: bytesToHex(run.toBeSigned3),
    ...wireOf(input, run),
    ...sessionOf(run, rosterName, initiator, responder),
  };
}

function wireOf(input: HandshakeInput, run: HandshakeRun): Pick<HandshakeVector, 'messages' | 'envelopes'> {
  const [C_I, C_R] = [hexToBytes(input.C_I), hexToBytes(input.C_R)];
  const { message1, message2, message3, message4 } = run;
  const wrap = (connectionId: Uint8Array | null, message: Uint8Array): string =>
    bytesToHex(encodeEnvelope({ connectionId, message }));
  return {
    messages: [bytesToHex(message1), bytesToHex(message2), bytesToHex(message3), bytesToHex(message4)],
    envelopes: [wrap(null, message1), wrap(C_I, message2), wrap(C_R, message3), wrap(C_I, message4)],
  };
}

function sessionOf(
  run: HandshakeRun,
  rosterName: string,
  initiator: VectorIdentity,
  responder: VectorIdentity,
): Pick<HandshakeVector, 'exporterContext' | 'exported' | 'session'> {
  const exports = new Map<number, string>();
  let exporterContext = '';
  const secrets = deriveSessionSecrets(
    (label, context, length) => {
      const bytes = run.initiator.exporter(label, context, length);
      exports.set(label, bytesToHex(bytes));
      exporterContext = bytesToHex(context);
      return bytes;
    },
    { rosterName, initiatorId: hexToBytes(initiator.id), responderId: hexToBytes(responder.id) },
  );
  const start = ({ ratchetId, chainKey }: (typeof secrets)['initiator']) => ({
    ratchetId: bytesToHex(ratchetId),
    chainKey: bytesToHex(chainKey),
  });
  return {
    exporterContext,
    exported: {
      chainKeys: exports.get(EXPORTER_LABEL.chainKeys) ?? '',
      ids: exports.get(EXPORTER_LABEL.ids) ?? '',
    },
    session: {
      sessionId: bytesToHex(secrets.sessionId),
      initiator: start(secrets.initiator),
      responder: start(secrets.responder),
    },
  };
}

function makeNegotiation(
  first: HandshakeVector,
  alice: VectorIdentity,
  bob: VectorIdentity,
): HandshakeVectors['negotiation'] {
  const responder = vectorParty(NODE, { ...first, suites: [2] }, 'responder', bob, alice);
  const [message1] = first.messages;
  const answer = receiveMessage1(responder, hexToBytes(message1));
  if (answer.kind !== 'wrong-suite') throw new Error('the vector’s Responder has suite 2 only');
  const { errorMessage: message, peerConnectionId: connectionId } = answer;
  return {
    message_1: message1,
    responderSuites: [2],
    error: bytesToHex(message),
    envelope: bytesToHex(encodeEnvelope({ connectionId, message })),
  };
}

/** `hex` with one bit turned in the byte at `at`, counted from the end where negative. */
function flip(hex: string, at: number): string {
  const bytes = hexToBytes(hex);
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return bytesToHex(bytes);
}

function refusedFirst(vector: HandshakeVector): RefusedVector[] {
  const { name: handshake, messages, ephemeral, C_I } = vector;
  const [message1, message2, message3, message4] = messages;
  const { G_X } = ephemeral;
  const first = (method: string, suites: string, key: string, rest: string): string =>
    `${method}${suites}${key}${rest}`;
  const key = `5820${G_X}`;
  const id = `48${C_I}`;
  const offCurve = 'a04e73601df544a70ba7ea1e57030f7d4b4eb7f673924e58d54ca77a5e7d4d4a';
  const field = 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff';
  // G_Y follows the byte string's head of three bytes.
  const reflected = bytesToHex(
    concatBytes(hexToBytes(message2).subarray(0, 3), hexToBytes(G_X), hexToBytes(message2).subarray(3 + 32)),
  );
  const cases: readonly [string, RefusedVector['message'], string, string][] = [
    ['METHOD 3', 1, first('03', '05', key, id), 'unsupported'],
    ['METHOD in two bytes', 1, first('1800', '05', key, id), 'malformed'],
    ['SUITES_I as an array of one', 1, first('00', '8105', key, id), 'malformed'],
    ['SUITES_I names a suite twice', 1, first('00', '820505', key, id), 'malformed'],
    ['SUITES_I of indefinite length', 1, first('00', '9f0205ff', key, id), 'malformed'],
    ['G_X as text', 1, first('00', '05', `7820${'61'.repeat(32)}`, id), 'malformed'],
    ['G_X of 31 bytes', 1, first('00', '05', `581f${G_X.slice(2)}`, id), 'malformed'],
    ['G_X on no point of the curve', 1, first('00', '05', `5820${offCurve}`, id), 'key-invalid'],
    ['G_X not below the field’s prime', 1, first('00', '05', `5820${field}`, id), 'key-invalid'],
    ['C_I as a byte string where an integer stands for it', 1, first('00', '05', key, '410e'), 'malformed'],
    ['C_I missing', 1, first('00', '05', key, ''), 'malformed'],
    ['critical EAD_1', 1, `${message1}20`, 'unsupported'],
    ['EAD_1 that begins with a value', 1, `${message1}40`, 'malformed'],
    ['message_1 as an array', 1, `84${message1}`, 'malformed'],
    ['message_2 with a second item', 2, `${message2}00`, 'malformed'],
    ['message_2 cut by a byte', 2, message2.slice(0, -2), 'malformed'],
    ['G_Y equal to G_X', 2, reflected, 'handshake-failed'],
    ['a bit turned in the Responder’s signature', 2, flip(message2, -1), 'signature-invalid'],
    ['a bit turned in the Responder’s certificate', 2, flip(message2, -100), 'identity-mismatch'],
    ['message_3 with a bit turned', 3, flip(message3, 40), 'handshake-failed'],
    ['message_3 with a bit turned in its tag', 3, flip(message3, -1), 'handshake-failed'],
    ['message_3 as two byte strings', 3, `${message3}40`, 'malformed'],
    ['message_4 with a bit turned', 4, flip(message4, -1), 'handshake-failed'],
    ['message_4 of an empty byte string', 4, '40', 'handshake-failed'],
  ];
  return cases.map(([what, message, bytes, code]) => ({ what, handshake, message, bytes, code }));
}
