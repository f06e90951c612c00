import type { CborMap, CborValue } from '../cbor.ts';
import { idCredFromItem, idCredToItem } from './credential.ts';
import { checkEad } from './ead.ts';
import { encodeSequence, malformed } from './sequence.ts';

/** What PLAINTEXT_2 and PLAINTEXT_3 have in common: who speaks and the proof of it. */
export interface Authentication {
  /** ID_CRED_x, a lone kid in its long form. */
  readonly idCred: CborMap;
  /** Signature_or_MAC_x; in method 0 a signature. */
  readonly signature: Uint8Array;
  /** EAD_x, encoded. */
  readonly ead: Uint8Array;
}

/** Encodes ID_CRED_x and Signature_or_MAC_x. */
export function encodeAuthentication(idCred: CborMap, signature: Uint8Array): Uint8Array {
  return encodeSequence([idCredToItem(idCred), signature]);
}

/** Reads ID_CRED_x, Signature_or_MAC_x of `proofBytes` and EAD_x; throws `malformed` or `unsupported`. */
export function decodeAuthentication(items: readonly CborValue[], proofBytes: number): Authentication {
  const [idCredItem, signature, ...eadItems] = items;
  const idCred = idCredFromItem(idCredItem);
  if (!(signature instanceof Uint8Array)) throw malformed('Signature_or_MAC is not a byte string');
  if (signature.length !== proofBytes) {
    throw malformed(`Signature_or_MAC has ${signature.length} bytes, not ${proofBytes}`);
  }
  return { idCred, signature, ead: checkEad(eadItems) };
}
