import { createECDH } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { bytesToHex, concatBytes, hexToBytes } from '../../../src/core/bytes.ts';
import { toLowS } from '../../../src/core/crypto/es256.ts';
import { identityId } from '../../../src/core/identity/id.ts';
import type { Signer } from '../../../src/core/ports.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import type { OwnIdentity } from '../../../src/roles/handshake-steps.ts';
import { fixedHolder, fixedSigner, type Holder } from '../../support/identities.ts';

/** Somebody with a fixed key, and a certificate of an authority that is as fixed. */
export interface Someone extends OwnIdentity {
  readonly holder: Holder;
  /** Signs in a moment, for what is made anew in every run; see {@link fastSigner}. */
  readonly fast: (toBeSigned: Uint8Array) => Uint8Array;
}

const ORDER = p256.Point.Fn.ORDER;

/**
 * Signs (ES256, low s) in a tenth of noble's time, and the same text alike each time, as node:crypto does not: what a
 * seed brings about hangs on nothing else. Its nonce is a hash of key and text; of no use where keys are worth anything.
 */
export function fastSigner(number: number): (toBeSigned: Uint8Array) => Uint8Array {
  const secret = new Uint8Array(32).fill(number);
  const d = numberOf(secret);
  const multiplier = createECDH('prime256v1');
  return (toBeSigned) => {
    const digest = nodeCrypto.sha256(toBeSigned);
    const nonce = nodeCrypto.hmac(secret, digest);
    multiplier.setPrivateKey(nonce);
    const r = numberOf(multiplier.getPublicKey().subarray(1, 33)) % ORDER;
    const s = p256.Point.Fn.inv(numberOf(nonce) % ORDER) * ((numberOf(digest) + r * d) % ORDER);
    return toLowS(concatBytes(bytesOf(r), bytesOf(s % ORDER)));
  };
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(bytes)}`);
}

function bytesOf(value: bigint): Uint8Array {
  return hexToBytes(value.toString(16).padStart(64, '0'));
}

/** The authority whose certificates all of them have. */
export async function authority(): Promise<Someone> {
  return someoneOf('plant', 60, await fixedHolder('plant', 60, { ca: true }));
}

/** The same one for the same name and number, 1 to 255; certified by {@link authority}. */
export async function someone(name: string, number: number): Promise<Someone> {
  const issuer = await fixedHolder('plant', 60, { ca: true });
  return someoneOf(name, number, await fixedHolder(name, number, { issuer }));
}

function someoneOf(name: string, number: number, holder: Holder): Someone {
  const { publicKey } = holder.signer;
  return {
    name,
    id: identityId(nodeCrypto, publicKey),
    certificates: [holder.certificate.der],
    signer: sameSigner(number),
    holder,
    fast: fastSigner(number),
  };
}

/** A signature of its own for each text, and always the same for one: handshakes can be played again. */
function sameSigner(number: number): Signer {
  const slow = fixedSigner(number);
  const made = new Map<string, Uint8Array>();
  return {
    publicKey: slow.publicKey,
    async sign(toBeSigned) {
      const key = bytesToHex(toBeSigned);
      const known = made.get(key) ?? toLowS(await slow.sign(toBeSigned));
      if (made.size < SIGNATURES_KEPT_MAX) made.set(key, known);
      return known;
    },
  };
}

const SIGNATURES_KEPT_MAX = 64;
