import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { SealwireError } from '../errors.ts';
import { HASH_BYTES, isIndex } from './merkle.ts';

/**
 * Content type of a question to a notary, `[from, to]`: does its tree of `to` entries begin with that of `from`? The
 * answer, in a frame of kind ledger-receipt, has the same type.
 */
export const CONSISTENCY_TYPE = 'application/sealwire-consistency';

/** Longer than any path: a tree of 2^53 leaves has none of more than twice its depth. */
const PATH_MAX = 106;

/** Two sizes of one tree. */
export interface SizePair {
  readonly from: number;
  readonly to: number;
}

/** What a notary says about two sizes: the proof (RFC 9162, section 2.1.4), or null where it has none. */
export interface ConsistencyAnswer extends SizePair {
  /** 32 bytes each. */
  readonly path: readonly Uint8Array[] | null;
}

/** Encodes a question. */
export function encodeConsistencyQuestion({ from, to }: SizePair): Uint8Array {
  return encodeCbor([from, to]);
}

/** Reads a question; throws `malformed`. */
export function decodeConsistencyQuestion(payload: Uint8Array): SizePair {
  const fields = decodeCbor(payload);
  if (!Array.isArray(fields) || fields.length !== 2) throw malformed();
  return pairOf(fields);
}

/** Encodes an answer. */
export function encodeConsistencyAnswer({ from, to, path }: ConsistencyAnswer): Uint8Array {
  return encodeCbor([from, to, path]);
}

/** Reads an answer; throws `malformed`. The proof in it is not checked. */
export function decodeConsistencyAnswer(payload: Uint8Array): ConsistencyAnswer {
  const fields = decodeCbor(payload);
  if (!Array.isArray(fields) || fields.length !== 3) throw malformed();
  return { ...pairOf(fields), path: pathOf(fields[2]) };
}

function pairOf([from, to]: readonly CborValue[]): SizePair {
  if (typeof from !== 'number' || typeof to !== 'number' || !isIndex(from) || !isIndex(to)) throw malformed();
  return { from, to };
}

function pathOf(item: CborValue | undefined): Uint8Array[] | null {
  if (item === null) return null;
  if (!Array.isArray(item) || item.length > PATH_MAX) throw malformed();
  return (item as CborValue[]).map((hash) => {
    if (!(hash instanceof Uint8Array) || hash.length !== HASH_BYTES) throw malformed();
    return hash;
  });
}

function malformed(): SealwireError {
  return new SealwireError('malformed', 'Not a question or an answer about two sizes of a tree.');
}
