import { equalBytes } from '../../../src/core/bytes.ts';
import { decodeAnswer, type EnrolmentAnswer, encodeAnswer } from '../../../src/core/enrolment/answer.ts';
import { requestTopic } from '../../../src/core/enrolment/enrolment-topic.ts';
import { encodeRenewalRequest, encodeTokenRequest } from '../../../src/core/enrolment/request.ts';
import { tokenKeys } from '../../../src/core/enrolment/token.ts';
import { SealwireError } from '../../../src/core/errors.ts';
import { signatureToDer } from '../../../src/core/identity/ecdsa-signature.ts';
import { draftSigningRequest } from '../../../src/core/identity/signing-request.ts';
import type { BrokerConnection, Publication } from '../../../src/core/ports.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { type Device, EnrolmentDesk } from '../../../src/roles/enrolment/desk.ts';
import { checkEnrolled } from '../../../src/roles/enrolment/enrolled.ts';
import { MemoryTokens } from '../../support/enrolment.ts';
import { NOW_MS } from '../../support/identities.ts';
import { StillClock } from '../../support/ledger.ts';
import { derSequence } from '../mutate/der.ts';
import { onlyGenuine, sameBytes, type Target, Unsound } from '../target.ts';
import { authority, someone } from './people.ts';

const ECDSA_SHA256 = Uint8Array.from([0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
const ROSTER_HASH = new Uint8Array(32).fill(4);

async function scene() {
  const [root, device] = [await authority(), await someone('sensor-7', 14)];
  const keys = tokenKeys(nodeCrypto, { authorityId: root.id, secret: new Uint8Array(16).fill(6) });
  const draft = draftSigningRequest(device.name, device.signer.publicKey);
  const signingRequest = draft.finish(await device.signer.sign(draft.toBeSigned));
  const roster = { name: 'works', authorityId: root.id, version: 3, hash: ROSTER_HASH };
  const enrolled: EnrolmentAnswer = {
    type: 'enrolled',
    ...{ chain: device.certificates, authority: root.holder.certificate.der, roster },
  };
  return { root, device, keys, signingRequest, toBeSigned: draft.toBeSigned, roster, enrolled };
}

type Scene = Awaited<ReturnType<typeof scene>>;

/** Publishes a request at a fresh desk, and gives who was enrolled; throws what the desk refused. */
async function ask(here: Scene, asker: Parameters<typeof requestTopic>[1], payload: Uint8Array): Promise<string[]> {
  const { root, device, keys, roster } = here;
  const enrolled: string[] = [];
  let refusal: SealwireError | undefined;
  let take: ((publication: Publication) => unknown) | undefined;
  let answers = 0;
  const broker: BrokerConnection = {
    remote: 'nowhere',
    publish: async () => void answers++,
    subscribe: async (_filter, qos, taking) => {
      take = taking;
      return { qos, unsubscribe: async () => {} };
    },
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const tokens = new MemoryTokens();
  tokens.add({ ...keys, pattern: 'sensor-*', channels: ['all'], expiresAtS: NOW_MS / 1000 + 60 });
  await using _desk = await EnrolmentDesk.open({
    ...{ crypto: nodeCrypto, clock: new StillClock(), verifierOf: nodeVerifier, broker, tokens },
    authority: {
      ...{ id: root.id, certificate: root.holder.certificate.der },
      issue: async () => device.certificates,
      admit: async () => roster,
      isMember: async ({ id }: Device) => equalBytes(id, device.id),
    },
    onEnrolled: ({ name }) => enrolled.push(name),
    onRefused: (error) => {
      refusal = error;
    },
  });
  await take?.({ topic: requestTopic(root.id, asker), payload, retained: false });
  if (refusal) throw refusal;
  if (enrolled.length === 0) throw new SealwireError('enrolment-refused', 'The desk does not answer.');
  if (answers !== 1) throw new Unsound(`a request was answered ${answers} times`);
  return enrolled;
}

/** Enrolment: both ends, from outside and from somebody with a token. */
export const ENROLMENT: readonly Target[] = [
  {
    name: 'enrolment-desk',
    mutator: 'cbor',
    weight: 3,
    async open() {
      const here = await scene();
      const { keys, signingRequest, device } = here;
      const [withToken, renewal] = [
        encodeTokenRequest(nodeCrypto, keys.requestKey, signingRequest),
        encodeRenewalRequest(signingRequest),
      ];
      const check = onlyGenuine([withToken, renewal]);
      return {
        seeds: [withToken, renewal],
        async judge(input) {
          const asToken = await ask(here, { type: 'token', tokenId: keys.tokenId }, input).catch(refused);
          const asDevice = await ask(here, { type: 'device', deviceId: device.id }, input).catch(refused);
          if (asToken instanceof SealwireError && asDevice instanceof SealwireError) throw asToken;
          // A renewal is the device's own word: the tag in it is nobody's business.
          if (!(asToken instanceof SealwireError)) check(input);
        },
      };
    },
  },
  {
    name: 'enrolment-of-holder',
    mutator: 'der',
    weight: 3,
    async open() {
      const here = await scene();
      const { keys, device, toBeSigned } = here;
      return {
        seeds: [toBeSigned],
        async judge(input) {
          const der = signatureToDer(device.fast(input));
          const csr = derSequence(input, ECDSA_SHA256, Uint8Array.of(3, der.length + 1, 0), der);
          const payload = encodeTokenRequest(nodeCrypto, keys.requestKey, csr);
          const [name = ''] = await ask(here, { type: 'token', tokenId: keys.tokenId }, payload);
          if (!name.startsWith('sensor-')) throw new Unsound(`a token for sensors enrolled ${JSON.stringify(name)}`);
        },
      };
    },
  },
  {
    name: 'enrolment-answer',
    mutator: 'cbor',
    weight: 6,
    async open() {
      const { keys, signingRequest, enrolled } = await scene();
      const seeds = [
        encodeAnswer(nodeCrypto, keys.answerKey, signingRequest, enrolled),
        encodeAnswer(nodeCrypto, keys.answerKey, signingRequest, {
          type: 'refused',
          code: 'token-invalid',
          reason: 'x',
        }),
      ];
      const check = onlyGenuine(seeds);
      return {
        seeds,
        judge(input) {
          decodeAnswer(nodeCrypto, keys.answerKey, signingRequest, input);
          check(input);
        },
      };
    },
  },
  {
    name: 'renewal-answer',
    mutator: 'cbor',
    weight: 4,
    async open() {
      const here = await scene();
      const { signingRequest, enrolled, root, device } = here;
      const seeds = [
        encodeAnswer(nodeCrypto, null, signingRequest, enrolled),
        encodeAnswer(nodeCrypto, null, signingRequest, { type: 'refused', code: 'enrolment-refused', reason: 'no' }),
      ];
      const options = { crypto: nodeCrypto, clock: new StillClock(), verifierOf: nodeVerifier };
      return {
        seeds,
        async judge(input) {
          const answer = decodeAnswer(nodeCrypto, null, signingRequest, input);
          sameBytes(encodeAnswer(nodeCrypto, null, signingRequest, answer), input);
          if (answer.type === 'refused') return;
          const { name, signer } = device;
          const { chain } = await checkEnrolled(answer, root.id, { ...options, name, signer });
          if (!chain[0] || !equalBytes(chain[0].der, device.certificates[0] ?? new Uint8Array(0))) {
            throw new Unsound('a certificate that nobody has issued');
          }
        },
      };
    },
  },
];

function refused(error: unknown): SealwireError {
  if (error instanceof SealwireError) return error;
  throw error;
}
