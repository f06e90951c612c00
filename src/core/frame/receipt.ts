import { concatBytes } from '../bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';

/** Ranges that one delivery receipt names at most. */
export const RECEIPT_RANGES_MAX = 64;
/** Frames that one delivery receipt covers at most. */
export const RECEIPT_FRAMES_MAX = 4096;

/** A run of seqs, both ends included. */
export type SeqRange = readonly [first: number, last: number];

/** A reader's word that frames of one ratchet reached it whole: every check held, the HMAC's too. */
export interface DeliveryReceipt {
  /** Whose frames they are, 32 bytes. */
  readonly senderId: Uint8Array;
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  /** Ascending and apart from each other. */
  readonly ranges: readonly SeqRange[];
  /** SHA-256 over the labels' leaf hashes in order of seq: ties the receipt to those very labels. */
  readonly labelsHash: Uint8Array;
}

/** Gathers ascending seqs into ranges. */
export function toRanges(seqs: readonly number[]): SeqRange[] {
  const ranges: [number, number][] = [];
  for (const seq of seqs) {
    const last = ranges.at(-1);
    if (last && seq === last[1] + 1) last[1] = seq;
    else ranges.push([seq, seq]);
  }
  return ranges;
}

/** The seqs of `ranges`, one by one. */
export function* seqsOf(ranges: readonly SeqRange[]): Generator<number> {
  for (const [first, last] of ranges) for (let seq = first; seq <= last; seq++) yield seq;
}

/** What {@link DeliveryReceipt.labelsHash} is of. `leafHashes` in order of seq, 32 bytes each. */
export function hashLabels(crypto: Crypto, leafHashes: readonly Uint8Array[]): Uint8Array {
  return crypto.sha256(concatBytes(...leafHashes));
}

/** The content of a delivery receipt's label. */
export function encodeDeliveryReceipt(receipt: DeliveryReceipt): Uint8Array {
  return encodeCbor([receipt.senderId, receipt.ratchetId, receipt.ranges, receipt.labelsHash]);
}

/** Reads a delivery receipt's content; throws `malformed` or `too-large`. */
export function decodeDeliveryReceipt(content: Uint8Array): DeliveryReceipt {
  const fields = decodeCbor(content);
  if (!Array.isArray(fields) || fields.length !== 4) throw malformed('it has not four elements');
  const [senderId, ratchetId, ranges, labelsHash] = fields as CborValue[];
  if (!(senderId instanceof Uint8Array) || senderId.length !== 32) throw malformed('its sender is not 32 bytes');
  if (!(ratchetId instanceof Uint8Array) || ratchetId.length !== 16) throw malformed('its ratchet is not 16 bytes');
  if (!(labelsHash instanceof Uint8Array) || labelsHash.length !== 32) throw malformed('its hash is not 32 bytes');
  return { senderId, ratchetId, ranges: readRanges(ranges), labelsHash };
}

function readRanges(item: CborValue | undefined): SeqRange[] {
  if (!Array.isArray(item) || item.length === 0) throw malformed('it names no frames');
  if (item.length > RECEIPT_RANGES_MAX) {
    throw new SealwireError('too-large', `A delivery receipt with ${item.length} ranges, over ${RECEIPT_RANGES_MAX}.`);
  }
  const ranges: SeqRange[] = [];
  let frames = 0;
  for (const range of item as CborValue[]) {
    if (!Array.isArray(range) || range.length !== 2) throw malformed('a range is a pair');
    const [first, last] = range as CborValue[];
    const floor = (ranges.at(-1)?.[1] ?? -2) + 2;
    if (typeof first !== 'number' || typeof last !== 'number' || first < floor || last < first) {
      throw malformed('its ranges are not ascending');
    }
    frames += last - first + 1;
    if (frames > RECEIPT_FRAMES_MAX) {
      throw new SealwireError('too-large', `A delivery receipt over more than ${RECEIPT_FRAMES_MAX} frames.`);
    }
    ranges.push([first, last]);
  }
  return ranges;
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a delivery receipt: ${why}.`);
}
