import assert from 'node:assert/strict';
import { equalBytes } from '../../src/core/bytes.ts';
import { credentialToIdCred } from '../../src/core/handshake/credential.ts';
import { encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import type { ErrorMessage } from '../../src/core/handshake/error-message.ts';
import { cipher2, extractPrk, transcript2 } from '../../src/core/handshake/key-schedule.ts';
import { decodeMessage1, encodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { encodeMessage2, encodePlaintext2 } from '../../src/core/handshake/message-2.ts';
import { suite5 } from '../../src/core/handshake/suites.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';
import type { Initiated } from '../../src/roles/inbox/initiation.ts';
import { enter, type InboxActor, InboxNet, type Parcel } from './inbox-net.ts';

const suite = suite5(nodeCrypto);

/** Alice and Bob, who trust each other, and what carries their units. */
export interface Two {
  readonly net: InboxNet;
  readonly alice: InboxActor;
  readonly bob: InboxActor;
}

/** Alice and Bob on a net of their own. */
export async function two(): Promise<Two> {
  const net = new InboxNet();
  return { net, alice: await enter(net, 'alice'), bob: await enter(net, 'bob') };
}

/** Holds where what the two ends have is one session. */
export function assertSame(near: Initiated | undefined, far: Initiated | undefined): void {
  assert.ok(near && far);
  assert.deepEqual(near.start.sessionId, far.start.sessionId);
  assert.deepEqual(near.start.sending, far.start.receiving);
  assert.deepEqual(near.start.receiving, far.start.sending);
}

/** Alice and Bob meet with nobody in between: honest traffic goes on. */
export async function honestHandshake({ net, alice, bob }: Two): Promise<void> {
  net.fate = (parcel) => [parcel];
  const before = bob.sessions.length;
  assertSame(await net.elapse(alice.handshakes.initiate(bob.id, 'bob')), bob.sessions.at(-1));
  assert.equal(bob.sessions.length, before + 1);
}

/** Somebody's id whom nobody knows. */
export function strangerId(n: number): Uint8Array {
  return nodeCrypto.sha256(Uint8Array.of(n >> 16, n >> 8, n));
}

/** A message_1 that is genuine in form, with a point on the curve. */
export function forged1(connectionId = nodeCrypto.random(8)): Uint8Array {
  const message = encodeMessage1({ method: 0, suites: [5], publicX: suite.ecdh.generate().publicX, connectionId });
  return encodeEnvelope({ connectionId: null, message });
}

/** A message_2 to whoever sent `message1`, in Bob's name, whose certificate everybody may have; the proof is missing. */
export function forged2(message1: Uint8Array, bob: OwnIdentity): Uint8Array {
  const { publicX, connectionId } = decodeMessage1(message1);
  const own = suite.ecdh.generate();
  const transcript = transcript2(nodeCrypto, own.publicX, message1);
  const prk = extractPrk(nodeCrypto, transcript, suite.ecdh.agree(own.privateKey, publicX));
  const idCred = credentialToIdCred({ type: 'x5chain', certificates: bob.certificates });
  const plaintext = encodePlaintext2(nodeCrypto.random(8), idCred, nodeCrypto.random(64));
  const message = encodeMessage2({
    publicY: own.publicX,
    ciphertext: cipher2(nodeCrypto, prk, transcript, plaintext),
  });
  return encodeEnvelope({ connectionId, message });
}

/** An error message of each kind. */
export const ERRORS: readonly ErrorMessage[] = [
  { kind: 'unspecified', text: 'handshake failed' },
  { kind: 'wrong-suite', suites: [2] },
  { kind: 'wrong-suite', suites: [6, 9] },
  { kind: 'unknown-credential' },
];

/** True where the parcel's address names `actor` as its sender. */
export function isFrom(actor: { readonly id: Uint8Array }, { from }: Parcel): boolean {
  return equalBytes(from, actor.id);
}
