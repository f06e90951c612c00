import { compareBytes } from '../bytes.ts';
import type { CborMap, CborValue } from '../cbor.ts';
import { COSE } from '../cose.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { identifierFromItem, identifierToItem } from './connection-id.ts';
import { malformed } from './sequence.ts';

/** COSE hash algorithms that an x5t names (RFC 9054, section 2.1), and how many bytes of SHA-256 each keeps. */
const X5T_BYTES: ReadonlyMap<CborValue, number> = new Map([
  [-16, 32],
  [-15, 8],
]);

/**
 * How a side presents itself: its certificates (DER, its own first, then towards the CA), or a hash of its
 * certificate where the other side has it already (RFC 9360, section 2).
 */
export type Credential =
  | { readonly type: 'x5chain'; readonly certificates: readonly Uint8Array[] }
  | { readonly type: 'x5t'; readonly algorithm: number; readonly hash: Uint8Array };

/** ID_CRED_x as a header map (RFC 9528, section 3.5.3). */
export function credentialToIdCred(credential: Credential): CborMap {
  if (credential.type === 'x5t') return new Map([[COSE.x5t, [credential.algorithm, credential.hash]]]);
  const [only, ...rest] = credential.certificates;
  if (only === undefined) throw new SealwireError('internal', 'An x5chain holds no certificate.');
  return new Map<number, CborValue>([[COSE.x5chain, rest.length === 0 ? only : credential.certificates]]);
}

/** Reads ID_CRED_x; throws `malformed`, or `unsupported` for any other kind of credential. */
export function credentialFromIdCred(idCred: CborMap): Credential {
  const [entry, ...rest] = idCred;
  if (entry === undefined || rest.length > 0) throw unsupported(`a header of ${idCred.size} parameters`);
  const [label, value] = entry;
  if (label === COSE.x5chain) return { type: 'x5chain', certificates: chainFromItem(value) };
  if (label === COSE.x5t) return hashFromItem(value);
  throw unsupported(label === COSE.keyId ? 'a key id' : `header parameter ${label}`);
}

/** ID_CRED_x as it stands in a plaintext: a lone kid in short form, all else as the map (RFC 9528, section 3.5.3.2). */
export function idCredToItem(idCred: CborMap): CborValue {
  const kid = idCred.get(COSE.keyId);
  return idCred.size === 1 && kid instanceof Uint8Array ? identifierToItem(kid) : idCred;
}

/** The reverse of {@link idCredToItem}; throws `malformed` for the form that a lone kid must not take. */
export function idCredFromItem(item: CborValue | undefined): CborMap {
  if (!(item instanceof Map)) return new Map([[COSE.keyId, identifierFromItem('ID_CRED', item)]]);
  const idCred: CborMap = item;
  if (idCred.size === 1 && idCred.has(COSE.keyId)) throw malformed('ID_CRED is a map where its kid stands for it');
  return idCred;
}

/** True where an x5t names this certificate (DER). */
export function isReferenceTo(crypto: Crypto, credential: Credential, certificate: Uint8Array): boolean {
  if (credential.type !== 'x5t') return false;
  const hash = crypto.sha256(certificate).subarray(0, X5T_BYTES.get(credential.algorithm) ?? 0);
  return hash.length > 0 && compareBytes(hash, credential.hash) === 0;
}

function chainFromItem(value: CborValue): Uint8Array[] {
  if (value instanceof Uint8Array) return [value];
  if (!Array.isArray(value)) throw malformed('an x5chain is neither a certificate nor an array of them');
  if (value.length < 2) throw malformed(`an x5chain of ${value.length} is not written as an array`);
  return value.map((certificate) => {
    if (!(certificate instanceof Uint8Array)) throw malformed('an x5chain holds something that is no byte string');
    return certificate;
  });
}

function hashFromItem(value: CborValue): Credential {
  const [algorithm, hash, ...rest] = Array.isArray(value) ? (value as CborValue[]) : [];
  if (algorithm === undefined || !(hash instanceof Uint8Array) || rest.length > 0) {
    throw malformed('an x5t is not a hash algorithm and a hash');
  }
  const bytes = X5T_BYTES.get(algorithm);
  if (typeof algorithm !== 'number' || bytes === undefined) throw unsupported(`x5t with hash algorithm ${algorithm}`);
  if (hash.length !== bytes) throw malformed(`an x5t of algorithm ${algorithm} has ${bytes} bytes, not ${hash.length}`);
  return { type: 'x5t', algorithm, hash };
}

function unsupported(what: string): SealwireError {
  return new SealwireError('unsupported', `The peer identifies itself by ${what}; certificates are understood only.`, {
    hint: 'Configure the other EDHOC implementation to send x5chain.',
  });
}
