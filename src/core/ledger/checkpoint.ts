import { bytesToHex, equalBytes, hexToBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { formatId, identityId } from '../identity/id.ts';
import { isOrigin } from './block.ts';
import { CompactRange, HASH_BYTES, isIndex, TreeHasher } from './merkle.ts';

/**
 * What is remembered of a ledger after it was verified. Later the same ledger has to begin with these entries, which
 * appending to `range` proves without reading them again.
 */
export interface Checkpoint {
  readonly origin: string;
  /** The notary's uncompressed P-256 point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** Of the last block that was verified. */
  readonly height: number;
  /** `blockLink` of that block, 32 bytes. */
  readonly link: Uint8Array;
  /** Seconds since 1970: that block's time. */
  readonly timeS: number;
  readonly treeSize: number;
  /** 32 bytes: the root that `range` gives. */
  readonly root: Uint8Array;
  /** The compact range of the first `treeSize` leaves, largest subtree first. */
  readonly range: readonly Uint8Array[];
}

const VERSION = 1;
const POINT_HEX_LENGTH = 130;

/** A checkpoint as JSON text, byte strings in hex: the form in which a home keeps it and people publish it. */
export function checkpointToJson(crypto: Crypto, checkpoint: Checkpoint): string {
  const { origin, publicKey, height, link, timeS, treeSize, root, range } = checkpoint;
  const fields = {
    version: VERSION,
    origin,
    notary: formatId(identityId(crypto, publicKey)),
    publicKey: bytesToHex(publicKey),
    height,
    link: bytesToHex(link),
    timeS,
    treeSize,
    root: bytesToHex(root),
    range: range.map((node) => bytesToHex(node)),
  };
  return `${JSON.stringify(fields, null, 2)}\n`;
}

/** Reads what {@link checkpointToJson} wrote; throws `malformed`, or `unsupported` for a newer version. */
export function checkpointFromJson(crypto: Crypto, text: string): Checkpoint {
  const fields = parse(text);
  const { version, origin, publicKey, height, link, timeS, treeSize, root, range } = fields;
  if (version !== VERSION) {
    throw new SealwireError('unsupported', `A checkpoint of version ${String(version)}; this reads ${VERSION}.`);
  }
  if (!isOrigin(origin)) throw malformed('its origin is not a short text');
  if (!Array.isArray(range)) throw malformed('its range is not a list');
  const checkpoint: Checkpoint = {
    origin,
    publicKey: bytesOf(publicKey, POINT_HEX_LENGTH, 'public key'),
    height: countOf(height, 'height'),
    link: hashOf(link, 'link'),
    timeS: countOf(timeS, 'time'),
    treeSize: countOf(treeSize, 'tree size'),
    root: hashOf(root, 'root'),
    range: range.map((node) => hashOf(node, 'range')),
  };
  const rangeRoot = new CompactRange(new TreeHasher(crypto), checkpoint.treeSize, checkpoint.range).root();
  if (!equalBytes(rangeRoot, checkpoint.root)) throw malformed('its range has another root than it says');
  return checkpoint;
}

function parse(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed('it is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null) throw malformed('it is not an object');
  return value as Record<string, unknown>;
}

function countOf(value: unknown, what: string): number {
  if (typeof value !== 'number' || !isIndex(value)) throw malformed(`its ${what} is not a whole number`);
  return value;
}

function hashOf(value: unknown, what: string): Uint8Array {
  return bytesOf(value, 2 * HASH_BYTES, what);
}

function bytesOf(value: unknown, hexLength: number, what: string): Uint8Array {
  if (typeof value !== 'string' || value.length !== hexLength || !/^[0-9a-f]*$/.test(value)) {
    throw malformed(`its ${what} is not ${hexLength / 2} bytes in hex`);
  }
  return hexToBytes(value);
}

function malformed(why: string, cause?: unknown): SealwireError {
  return new SealwireError('malformed', `Not a checkpoint: ${why}.`, {
    hint: 'Verify the ledger in full again to make a new one.',
    cause,
  });
}
