import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { startInitiator } from '../src/core/handshake/initiator.ts';
import { type HandshakeOptions, presentChain } from '../src/core/handshake/own.ts';
import type { PeerClaim } from '../src/core/handshake/peer.ts';
import { receiveMessage1 } from '../src/core/handshake/responder.ts';
import { deriveSessionSecrets } from '../src/core/handshake/session-keys.ts';
import { suite5 } from '../src/core/handshake/suites.ts';
import type { Signer, Verifier } from '../src/core/ports.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from '../src/node/crypto.ts';
import {
  bareAgree,
  bareDerivations,
  bareEphemeral,
  bareOpen,
  bareProof,
  bareSeal,
  CERTIFICATE_BYTES,
  PLAINTEXT_3,
  PLAINTEXT_4,
} from './handshake-parts.ts';
import type { Bench, Row } from './row.ts';

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

/**
 * The same work as {@link ours} called straight on node:crypto, with nothing encoded, checked or copied, in the
 * fastest form that Node has for each. Long-term keys are ready key objects; ephemeral ones cannot be: they cross the
 * wire as bytes.
 */
function bare(initiator: Side, responder: Side): void {
  const [x, y] = [bareEphemeral(), bareEphemeral()];
  bareAgree(x.privateKey, y.sent);
  bareAgree(y.privateKey, x.sent);
  for (const { privateKey, publicKeyObject: publicKey } of [initiator, responder]) {
    bareProof({ privateKey, publicKey });
    bareDerivations();
  }
  bareOpen(bareSeal(PLAINTEXT_3));
  bareOpen(bareSeal(PLAINTEXT_4));
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
