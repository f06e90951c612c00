import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { COSE, decodeSign1, encodeSign1 } from '../cose.ts';
import { SealwireError } from '../errors.ts';
import type { HeadClaim } from '../frame/label.ts';
import { type BlockHeader, blockToBeSigned, checkSignatureForm, decodeBlockHeader } from './block.ts';
import { HASH_BYTES, inclusionRoot, isIndex, type TreeHasher } from './merkle.ts';

/** Inclusion proofs among the proofs of a receipt (RFC 9942, section 5.2). */
const INCLUSION = -1;
/** A tree of 2^53 leaves has no longer path. */
const PATH_MAX = 53;

/** Where a leaf lies in the tree of `treeSize` leaves (RFC 9942, section 5.2). */
export interface InclusionProof {
  readonly treeSize: number;
  readonly leafIndex: number;
  /** Siblings from the leaf to the root, 32 bytes each. */
  readonly path: readonly Uint8Array[];
}

/** A receipt (RFC 9942): the signed header of a block with the proof that one entry is under its root. */
export function encodeReceipt(protectedBytes: Uint8Array, signature: Uint8Array, proof: InclusionProof): Uint8Array {
  const inclusion = encodeCbor([proof.treeSize, proof.leafIndex, proof.path]);
  const unprotected = new Map([[COSE.proofs, new Map([[INCLUSION, [inclusion]]])]]);
  return encodeSign1({ protectedBytes, unprotected, payload: null, signature });
}

/** A receipt that fits its entry; it holds once the notary's signature over `toBeVerified` does. */
export interface ReceiptCheck {
  readonly header: BlockHeader;
  readonly leafIndex: number;
  /** The size and root that the receipt proves: what labels made after it claim as their head. */
  readonly head: HeadClaim;
  /** The signed header alone, for showing it to others: COSE_Sign1 with the root detached. */
  readonly signedHeader: Uint8Array;
  readonly toBeVerified: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Checks that `receipt` is about `entry`, byte for byte. Throws `malformed` for what is no receipt, or whose proof is
 * for another tree than its header signs; `signature-invalid` for a signature of another form. The caller checks the
 * signature, and that `header.notaryId` is the notary it means.
 */
export function checkReceipt(hasher: TreeHasher, receipt: Uint8Array, entry: Uint8Array): ReceiptCheck {
  const { protectedBytes, unprotected, payload, signature } = decodeSign1(receipt);
  if (payload !== null) throw malformed('its root is not detached');
  const header = decodeBlockHeader(protectedBytes);
  const proof = proofIn(unprotected.size === 1 ? unprotected.get(COSE.proofs) : undefined);
  // The path of leaf 6 of 7 is also a valid path of leaf 36 of 37: the size has to be the signed one.
  if (proof.treeSize !== header.treeSize) throw malformed('it proves into a tree of another size than is signed');
  const root = inclusionRoot(hasher, hasher.leaf(entry), proof.leafIndex, proof.treeSize, proof.path);
  if (!root) throw malformed('its path does not lead to the root');
  return {
    header,
    leafIndex: proof.leafIndex,
    head: { treeSize: header.treeSize, root },
    signedHeader: encodeSign1({ protectedBytes, unprotected: new Map(), payload: null, signature }),
    toBeVerified: blockToBeSigned(protectedBytes, root),
    signature: checkSignatureForm(signature),
  };
}

function proofIn(item: CborValue | undefined): InclusionProof {
  const list = item instanceof Map && item.size === 1 ? (item.get(INCLUSION) as CborValue) : undefined;
  const [encoded] = Array.isArray(list) && list.length === 1 ? (list as CborValue[]) : [];
  if (!(encoded instanceof Uint8Array)) throw malformed('it holds not exactly one inclusion proof');
  const fields = decodeCbor(encoded);
  if (!Array.isArray(fields) || fields.length !== 3) throw malformed('its proof has not three elements');
  const [treeSize, leafIndex, path] = fields as CborValue[];
  if (typeof treeSize !== 'number' || typeof leafIndex !== 'number') throw malformed('its proof names no place');
  if (!isIndex(treeSize) || !isIndex(leafIndex) || leafIndex >= treeSize)
    throw malformed('its place is not in the tree');
  if (!Array.isArray(path) || path.length > PATH_MAX) throw malformed('its path is not a short list');
  const hashes = (path as CborValue[]).map((hash) => {
    if (!(hash instanceof Uint8Array) || hash.length !== HASH_BYTES) throw malformed('its path holds no hashes');
    return hash;
  });
  return { treeSize, leafIndex, path: hashes };
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a receipt for this entry: ${why}.`);
}
