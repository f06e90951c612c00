import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { startInitiator } from '../src/core/handshake/initiator.ts';
import { type HandshakeOptions, presentChain } from '../src/core/handshake/own.ts';
import type { PeerClaim } from '../src/core/handshake/peer.ts';
import { receiveMessage1 } from '../src/core/handshake/responder.ts';
import { deriveSessionSecrets } from '../src/core/handshake/session-keys.ts';
import { suite5 } from '../src/core/handshake/suites.ts';
import type { Signer, Verifier } from '../src/core/ports.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from '../src/node/crypto.ts';
import type { Bench, Row } from './row.ts';

/** A self-signed P-256 certificate of ours is about this long; its bytes do not matter to EDHOC. */
const CERTIFICATE_BYTES = 420;
const ROUNDS = 15;
const HANDSHAKES_A_ROUND = 60;
const WARM_UP_HANDSHAKES = 400;

interface Side {
  readonly options: HandshakeOptions;
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
  readonly publicKeyObject: KeyObject;
}

function makeSide(): Side {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = nodeSigner(privateKey);
  const own = presentChain(signer.publicKey, [nodeCrypto.random(CERTIFICATE_BYTES)]);
  return {
    options: { crypto: nodeCrypto, suites: [suite5(nodeCrypto)], own },
    signer,
    verifier: nodeVerifier(signer.publicKey),
    publicKey: signer.publicKey,
    privateKey,
    publicKeyObject: publicKey,
  };
}

function signNow(side: Side, toBeSigned: Uint8Array): Uint8Array {
  const signature = side.signer.sign(toBeSigned);
  if (signature instanceof Promise) throw new Error('the bench signs synchronously');
  return signature;
}

function settle<Next>(claim: PeerClaim<Next>, peer: Side): Next {
  const check = claim.identify({ publicKey: peer.publicKey, accepted: true });
  return check.finish(peer.verifier.verify(check.toBeVerified, check.signature) === true);
}

/** Both sides of one handshake, up to the secrets of the session. */
function ours(initiator: Side, responder: Side): void {
  const ids = {
    rosterName: '',
    initiatorId: initiator.publicKey.subarray(0, 32),
    responderId: responder.publicKey.subarray(0, 32),
  };
  const start = startInitiator(initiator.options);
  const answer = receiveMessage1(responder.options, start.message1);
  if (answer.kind !== 'draft') throw new Error('the bench shares its suite');
  const second = answer.draft.finish(signNow(responder, answer.draft.toBeSigned));
  const draft = settle(start.state.receive(second.message2), responder);
  const third = draft.finish(signNow(initiator, draft.toBeSigned));
  const finished = settle(second.receive(third.message3), initiator);
  deriveSessionSecrets(finished.established.exporter, ids);
  deriveSessionSecrets(third.receive(finished.message4).exporter, ids);
}

const KEY = createSecretKey(new Uint8Array(32).fill(1));
/** SubjectPublicKeyInfo of P-256 up to the point. */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');
const NONCE = new Uint8Array(12);
const TAG = { authTagLength: 16 } as const;
const ENCRYPT0 = new Uint8Array(45);
const PLAINTEXT_3 = new Uint8Array(CERTIFICATE_BYTES + 73);
const TO_BE_SIGNED = new Uint8Array(2 * CERTIFICATE_BYTES + 100);
const MESSAGE_1 = new Uint8Array(46);
const TRANSCRIPT_2 = new Uint8Array(68);
const TRANSCRIPT_3 = new Uint8Array(2 * CERTIFICATE_BYTES + 120);
const KDF_INFO = new Uint8Array(40);
const MAC_INFO = new Uint8Array(2 * CERTIFICATE_BYTES + 60);
const EXPORTER_INFO = new Uint8Array(80);

function hmac(data: Uint8Array): void {
  createHmac('sha256', KEY).update(data).digest();
}

/** As many HMACs as HKDF-Expand needs for a KEYSTREAM_2 of this certificate. */
const KEYSTREAM_HMACS = Math.ceil((CERTIFICATE_BYTES + 82) / 32);

/** What one side hashes, MACs and derives. */
function bareDerivations(): void {
  hash('sha256', MESSAGE_1, 'buffer');
  hash('sha256', TRANSCRIPT_2, 'buffer');
  hash('sha256', TRANSCRIPT_3, 'buffer');
  hash('sha256', TRANSCRIPT_3, 'buffer');
  // PRK_2e; KEYSTREAM_2; MAC_2 and MAC_3; keys and nonces 3 and 4; PRK_out and PRK_exporter; 64 + 48 bytes exported.
  hmac(KDF_INFO);
  for (let i = 0; i < KEYSTREAM_HMACS; i++) hmac(KDF_INFO);
  for (let i = 0; i < 2; i++) hmac(MAC_INFO);
  for (let i = 0; i < 6; i++) hmac(KDF_INFO);
  for (let i = 0; i < 4; i++) hmac(EXPORTER_INFO);
}

function bareSeal(plaintext: Uint8Array): { readonly sealed: Uint8Array; readonly tag: Uint8Array } {
  const cipher = createCipheriv('chacha20-poly1305', KEY, NONCE, TAG);
  cipher.setAAD(ENCRYPT0, { plaintextLength: plaintext.length });
  const sealed = cipher.update(plaintext);
  cipher.final();
  return { sealed, tag: cipher.getAuthTag() };
}

function bareOpen({ sealed, tag }: { readonly sealed: Uint8Array; readonly tag: Uint8Array }): void {
  const opener = createDecipheriv('chacha20-poly1305', KEY, NONCE, TAG);
  opener.setAuthTag(tag);
  opener.setAAD(ENCRYPT0, { plaintextLength: sealed.length });
  opener.update(sealed);
  opener.final();
}

/** An ephemeral key pair, and its public point as it goes to the other side. */
function bareEphemeral(): { readonly privateKey: KeyObject; readonly sent: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, sent: publicKey.export({ format: 'raw-public' }) };
}

function bareAgree(privateKey: KeyObject, received: Buffer): void {
  const der = Buffer.concat([SPKI_PREFIX, received]).toString('base64');
  const publicKey = createPublicKey(`-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`);
  diffieHellman({ privateKey, publicKey });
}

/**
 * The same work as {@link ours} called straight on node:crypto, with nothing encoded, checked or copied, in the
 * fastest form that Node has for each. Long-term keys are ready key objects; ephemeral ones cannot be: they cross the
 * wire as bytes.
 */
function bare(initiator: Side, responder: Side): void {
  const [x, y] = [bareEphemeral(), bareEphemeral()];
  bareAgree(x.privateKey, y.sent);
  bareAgree(y.privateKey, x.sent);
  for (const side of [initiator, responder]) {
    const signature = sign('sha256', TO_BE_SIGNED, side.privateKey);
    verify('sha256', TO_BE_SIGNED, side.publicKeyObject, signature);
    bareDerivations();
  }
  bareOpen(bareSeal(PLAINTEXT_3));
  bareOpen(bareSeal(new Uint8Array(0)));
}

/** Microseconds that one of `count` runs takes. */
function timeMicros(run: () => void, count: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) run();
  return Number(process.hrtime.bigint() - start) / 1000 / count;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function run(): Promise<Row[]> {
  const [initiator, responder] = [makeSide(), makeSide()];
  const handshake = (): void => ours(initiator, responder);
  const primitives = (): void => bare(initiator, responder);
  timeMicros(handshake, WARM_UP_HANDSHAKES);
  timeMicros(primitives, WARM_UP_HANDSHAKES);
  const micros: number[] = [];
  const ratios: number[] = [];
  // Both kinds take turns, so that a machine that slows down slows down both.
  for (let round = 0; round < ROUNDS; round++) {
    const before = timeMicros(primitives, HANDSHAKES_A_ROUND / 2);
    const own = timeMicros(handshake, HANDSHAKES_A_ROUND);
    const after = timeMicros(primitives, HANDSHAKES_A_ROUND / 2);
    micros.push(own);
    ratios.push((before + after) / 2 / own);
  }
  return [
    {
      name: 'handshake',
      value: 1e6 / median(micros),
      unit: 'handshakes/s',
      ratio: median(ratios),
      against: 'bare primitives of both sides',
    },
  ];
}

/** Handshakes in one process, both sides, keys and certificates ready. */
export const handshakeBench: Bench = { names: ['handshake'], run };
