import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { encodeMessage, joinBody, readBody } from '../src/core/frame/body.ts';
import { receiveFrame } from '../src/core/frame/open.ts';
import { draftFrame, type LabelPlan, type SealedFrame } from '../src/core/frame/seal.ts';
import { identityId, idToTopic } from '../src/core/identity/id.ts';
import { KIND } from '../src/core/kinds.ts';
import type { Signer, Verifier } from '../src/core/ports.ts';
import type { ReceivingRatchet } from '../src/core/ratchet/receiving.ts';
import type { RatchetPosition, SendingRatchet } from '../src/core/ratchet/sending.ts';
import { nodeCrypto, nodeSigner, nodeVerifier } from '../src/node/crypto.ts';

/** What one message of the benches holds. */
export const PAYLOAD_BYTES = 256;

const STREAM = new Uint8Array(8);
const PAYLOAD: Uint8Array = new Uint8Array(PAYLOAD_BYTES).fill(0x61);
/** 25 bytes. */
export const TOPIC = 'plant/line-4/boiler-2/tem';
/** Where every ratchet of the benches begins. */
export const START: RatchetPosition = { ratchetId: new Uint8Array(16), seq: 0, chainKey: new Uint8Array(32) };

/** Somebody's long-term key, in every form. */
export interface Keys {
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly id: Uint8Array;
}

/** Makes somebody. */
export function makeKeys(): Keys {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = nodeSigner(privateKey);
  const id = identityId(nodeCrypto, signer.publicKey);
  return { signer, verifier: nodeVerifier(signer.publicKey), privateKey, publicKey, id };
}

/** A label in a session, unless `rest` says more. */
export function planFor({ id }: Keys, rest: Partial<LabelPlan> = {}): LabelPlan {
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

/** A body of so many messages. */
export function plaintextOf(messages: number, firstN: number): Uint8Array {
  const encoded: Uint8Array[] = [];
  for (let n = firstN; n < firstN + messages; n++) {
    encoded.push(encodeMessage({ stream: STREAM, n, timeMs: 1_782_864_000_000, contentType: 42, payload: PAYLOAD }));
  }
  return joinBody(encoded);
}

/** Seals and signs one frame. */
export function seal(keys: Keys, ratchet: SendingRatchet, plan: LabelPlan, plaintext: Uint8Array): SealedFrame {
  const draft = draftFrame(nodeCrypto, ratchet, plan, plaintext);
  const signature = keys.signer.sign(draft.toBeSigned);
  if (signature instanceof Promise) throw new Error('the bench signs synchronously');
  return draft.finish(signature);
}

/** Opens one frame with every check; throws where it does not hold so many messages. */
export function open(keys: Keys, ratchet: ReceivingRatchet, frame: Uint8Array, messages: number): void {
  const received = receiveFrame(frame);
  const { toBeVerified, signature } = received.label;
  const opened = received.verified(keys.verifier.verify(toBeVerified, signature) === true).open(nodeCrypto, ratchet);
  if (readBody(opened.content).length !== messages) throw new Error('the bench lost a message');
  opened.commit();
}
