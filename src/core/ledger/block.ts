import { type CborMap, type CborValue, encodeCbor } from '../cbor.ts';
import { COSE, decodeProtected, encodeSign1, sign1ToBeSigned } from '../cose.ts';
import { isLowS } from '../crypto/es256.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { KIND } from '../kinds.ts';
import { HASH_BYTES, isIndex } from './merkle.ts';

/** The verifiable data structure that our receipts prove into: RFC 9162's tree with SHA-256 (RFC 9942, section 5). */
const VDS_RFC9162_SHA256 = 1;
/** CWT claims (RFC 8392, section 3.1) of what a notary signs. */
export const CLAIM = { issuer: 1, subject: 2, issuedAt: 6 } as const;
const ID_BYTES = 32;
const ROSTER_HASH_BYTES = 16;
const ORIGIN_BYTES_MAX = 255;

/** What a notary signs about a block, beside the root of the tree that it ends with. */
export interface BlockHeader {
  /** 32 bytes. */
  readonly notaryId: Uint8Array;
  /** The ledger's own name, the same in every block. */
  readonly origin: string;
  /** Seconds since 1970, the notary's word. */
  readonly timeS: number;
  /** 0 for the genesis block. */
  readonly height: number;
  /** {@link blockLink} of the block before, 32 bytes; null in the genesis block. */
  readonly previous: Uint8Array | null;
  /** Index of the block's first entry. */
  readonly firstIndex: number;
  /** Entries in the ledger up to and with this block. */
  readonly treeSize: number;
  /** The newest roster that the ledger holds: its version and 16 bytes of its hash. */
  readonly roster: { readonly version: number; readonly hash: Uint8Array } | null;
}

/** A block without its entries, as a ledger keeps it: `signature` is null until the notary has signed it. */
export interface Block {
  readonly protectedBytes: Uint8Array;
  /** RFC 9162 root over all entries up to and with this block. */
  readonly root: Uint8Array;
  readonly signature: Uint8Array | null;
}

/** The protected header that stands for `header` on the wire. */
export function encodeBlockHeader(header: BlockHeader): Uint8Array {
  const { notaryId, origin, timeS, height, previous, firstIndex, treeSize, roster } = header;
  const claims = new Map<number, CborValue>([
    [CLAIM.issuer, origin],
    [CLAIM.subject, origin],
    [CLAIM.issuedAt, timeS],
  ]);
  const own = [KIND.block, height, previous, firstIndex, treeSize, roster && [roster.version, roster.hash]];
  return encodeCbor(
    new Map<number, CborValue>([
      [COSE.alg, COSE.algEs256],
      [COSE.keyId, notaryId],
      [COSE.cwtClaims, claims],
      [COSE.verifiableDataStructure, VDS_RFC9162_SHA256],
      [COSE.sealwire, own],
    ]),
  );
}

/** Reads a protected header strictly; throws `malformed`. */
export function decodeBlockHeader(protectedBytes: Uint8Array): BlockHeader {
  const map = decodeProtected(protectedBytes);
  if (
    map.size !== 5 ||
    map.get(COSE.alg) !== COSE.algEs256 ||
    map.get(COSE.verifiableDataStructure) !== VDS_RFC9162_SHA256
  ) {
    throw malformed('its header is not that of an ES256-signed RFC 9162 tree');
  }
  return {
    notaryId: hashOf(map.get(COSE.keyId), ID_BYTES, 'notary id'),
    ...decodeClaims(map.get(COSE.cwtClaims)),
    ...decodeOwn(map.get(COSE.sealwire)),
  };
}

function decodeClaims(item: CborValue | undefined): Pick<BlockHeader, 'origin' | 'timeS'> {
  if (!(item instanceof Map) || item.size !== 3) throw malformed('its claims are not issuer, subject and time');
  const claims: CborMap = item;
  const origin = claims.get(CLAIM.issuer);
  if (!isOrigin(origin) || claims.get(CLAIM.subject) !== origin) throw malformed('its origin is not one short text');
  return { origin, timeS: countOf(claims.get(CLAIM.issuedAt), 'time') };
}

function decodeOwn(
  item: CborValue | undefined,
): Pick<BlockHeader, 'height' | 'previous' | 'firstIndex' | 'treeSize' | 'roster'> {
  if (!Array.isArray(item) || item.length !== 6) throw malformed('parameter −65537 has not six elements');
  const [kind, height, previous, firstIndex, treeSize, roster] = item as CborValue[];
  if (kind !== KIND.block) throw malformed('it is of another kind');
  const header = {
    height: countOf(height, 'height'),
    previous: previous === null ? null : hashOf(previous, HASH_BYTES, 'link to the block before'),
    firstIndex: countOf(firstIndex, 'first index'),
    treeSize: countOf(treeSize, 'tree size'),
    roster: rosterOf(roster),
  };
  if (header.treeSize <= header.firstIndex) throw malformed('it holds no entry');
  if ((header.height === 0) !== (header.previous === null)) throw malformed('only a genesis block follows no other');
  if ((header.height === 0) !== (header.firstIndex === 0)) throw malformed('only a genesis block starts at entry 0');
  return header;
}

function rosterOf(item: CborValue | undefined): BlockHeader['roster'] {
  if (item === null) return null;
  if (!Array.isArray(item) || item.length !== 2) throw malformed('its roster is not a pair');
  return { version: countOf(item[0], 'roster version'), hash: hashOf(item[1], ROSTER_HASH_BYTES, 'roster hash') };
}

/** What the notary signs: the Sig_structure with the root as its detached payload. */
export function blockToBeSigned(protectedBytes: Uint8Array, root: Uint8Array): Uint8Array {
  return sign1ToBeSigned(protectedBytes, root);
}

/** What the next block names: SHA-256 of what was signed, so that a link does not hang on a signature's bytes. */
export function blockLink(crypto: Pick<Crypto, 'sha256'>, block: Pick<Block, 'protectedBytes' | 'root'>): Uint8Array {
  return crypto.sha256(blockToBeSigned(block.protectedBytes, block.root));
}

/** A signed header as it travels: COSE_Sign1 with the root detached. */
export function encodeSignedHeader(protectedBytes: Uint8Array, signature: Uint8Array): Uint8Array {
  return encodeSign1({ protectedBytes, unprotected: new Map(), payload: null, signature });
}

/** The signature itself; throws `signature-invalid` unless it is 64 bytes with low s. */
export function checkSignatureForm(signature: Uint8Array): Uint8Array {
  if (isLowS(signature)) return signature;
  throw new SealwireError('signature-invalid', "A notary's signature is not ES256 with low s.");
}

/** True for what may name a ledger: 1 to 255 characters. */
export function isOrigin(item: unknown): item is string {
  return typeof item === 'string' && item.length > 0 && item.length <= ORIGIN_BYTES_MAX;
}

function hashOf(item: CborValue | undefined, length: number, what: string): Uint8Array {
  if (!(item instanceof Uint8Array) || item.length !== length) throw malformed(`its ${what} is not ${length} bytes`);
  return item;
}

function countOf(item: CborValue | undefined, what: string): number {
  if (typeof item !== 'number' || !isIndex(item)) throw malformed(`its ${what} is not a whole number`);
  return item;
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a block header: ${why}.`);
}
