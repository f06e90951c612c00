import { equalBytes } from '../../../src/core/bytes.ts';
import { SealwireError } from '../../../src/core/errors.ts';
import { type Certificate, parseCertificate } from '../../../src/core/identity/certificate.ts';
import { signatureToDer } from '../../../src/core/identity/ecdsa-signature.ts';
import { identityId, nameProblem } from '../../../src/core/identity/id.ts';
import { checkPath, type ValidIdentity } from '../../../src/core/identity/path.ts';
import { draftSigningRequest, readSigningRequest } from '../../../src/core/identity/signing-request.ts';
import { nodeCrypto, nodeVerifier } from '../../../src/node/crypto.ts';
import { fixedHolder, NOW_MS } from '../../support/identities.ts';
import { joinParts, partsIn } from '../mutate/cbor.ts';
import { derSequence } from '../mutate/der.ts';
import { onlyGenuine, type Target, Unsound } from '../target.ts';
import { authority, someone } from './people.ts';

const NOTHING = new Uint8Array(0);
/** `ecdsa-with-SHA256` as AlgorithmIdentifier. */
const ECDSA_SHA256 = Uint8Array.from([0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);

/** A structure that is signed as X.509 has it: itself, the algorithm, the signature. */
function signedDer(toBeSigned: Uint8Array, signature: Uint8Array): Uint8Array {
  const der = signatureToDer(signature);
  return derSequence(toBeSigned, ECDSA_SHA256, Uint8Array.of(3, der.length + 1, 0), der);
}

function checkChain(chain: readonly Uint8Array[], root: Certificate): ValidIdentity {
  const path = checkPath(nodeCrypto, { chain: chain.map(parseCertificate), anchors: [root], nowMs: NOW_MS });
  return path.finish(
    path.signatures.map(
      ({ publicKey, toBeVerified, signature }) => nodeVerifier(publicKey).verify(toBeVerified, signature) === true,
    ),
  );
}

/** Two leaves of the root's own, and one below an authority that the root has certified. */
async function chains() {
  const root = await authority();
  const [alice, bob] = [await someone('alice', 11), await someone('Bob Ö.', 12)];
  const line = await fixedHolder('line 1', 61, { ca: true, pathLength: 0, issuer: root.holder });
  const sensor = await fixedHolder('sensor-7.plant.example', 13, { issuer: line });
  const leaves = [...alice.certificates, ...bob.certificates];
  return { root, leaves, chain: [sensor.certificate.der, line.certificate.der] };
}

async function requests() {
  const [alice, bob] = [await someone('alice', 11), await someone('bob', 12)];
  const drafts = [alice, bob].map(({ name, signer }) => draftSigningRequest(name, signer.publicKey));
  const signed = [
    drafts[0]?.finish(await alice.signer.sign(drafts[0].toBeSigned)) ?? NOTHING,
    drafts[1]?.finish(await bob.signer.sign(drafts[1].toBeSigned)) ?? NOTHING,
  ];
  return { alice, signed, toBeSigned: drafts.map((draft) => draft.toBeSigned) };
}

function checkRequest(der: Uint8Array): void {
  const { name, publicKey, toBeVerified, signature } = readSigningRequest(der);
  if (nameProblem(name) !== undefined) throw new Unsound(`a request for the name ${JSON.stringify(name)}`);
  if (nodeVerifier(publicKey).verify(toBeVerified, signature) !== true) {
    throw new SealwireError('signature-invalid', 'The request is not signed with its own key.');
  }
}

/** Certificates and requests for them. */
export const IDENTITY: readonly Target[] = [
  {
    name: 'certificate',
    mutator: 'der',
    weight: 6,
    async open() {
      const { root, leaves } = await chains();
      const check = onlyGenuine(leaves);
      return {
        seeds: leaves,
        judge(input) {
          checkChain([input], root.holder.certificate);
          check(input);
        },
      };
    },
  },
  {
    name: 'certificate-chain',
    mutator: 'parts',
    weight: 3,
    async open() {
      const { root, chain, leaves } = await chains();
      const check = onlyGenuine([...chain, ...leaves]);
      return {
        seeds: [joinParts(chain), ...leaves.map((leaf) => joinParts([leaf]))],
        judge(input) {
          const { certificates } = checkChain(partsIn(input) ?? [], root.holder.certificate);
          // Certificates that the path did not need may follow.
          certificates.forEach(check);
        },
      };
    },
  },
  {
    name: 'certificate-signed',
    mutator: 'der',
    weight: 4,
    async open() {
      const { root, leaves, chain } = await chains();
      return {
        seeds: [...leaves, ...chain].map((der) => parseCertificate(der).toBeSigned),
        judge(input) {
          const der = signedDer(input, root.fast(input));
          const { id, publicKey, name } = checkChain([der], root.holder.certificate);
          if (!equalBytes(id, identityId(nodeCrypto, publicKey))) throw new Unsound('an id that is not its key’s');
          if (nameProblem(name) !== undefined) throw new Unsound(`an identity of the name ${JSON.stringify(name)}`);
        },
      };
    },
  },
  {
    name: 'signing-request',
    mutator: 'der',
    weight: 6,
    async open() {
      const { signed } = await requests();
      const check = onlyGenuine(signed);
      return {
        seeds: signed,
        judge(input) {
          checkRequest(input);
          check(input);
        },
      };
    },
  },
  {
    name: 'signing-request-signed',
    mutator: 'der',
    weight: 4,
    async open() {
      const { alice, toBeSigned } = await requests();
      return { seeds: toBeSigned, judge: (input) => checkRequest(signedDer(input, alice.fast(input))) };
    },
  },
];
