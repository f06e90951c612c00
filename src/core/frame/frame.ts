import { type CborValue, decodeCbor } from '../cbor.ts';
import { CborWriter } from '../cbor-writer.ts';
import { SealwireError } from '../errors.ts';
import { FRAME_BYTES_MAX } from '../limits.ts';
import { isOpenKind, type Label, labelFromItem } from './label.ts';

const NO_BODY = new Uint8Array(0);

/** A frame as it was read: form checked, nothing believed. */
export interface Frame {
  readonly label: Label;
  /** Ciphertext; empty for an open kind. */
  readonly body: Uint8Array;
}

/** Encodes a frame, `[label, body]`; the body of an open kind is the empty byte string. */
export function joinFrame(label: Uint8Array, body: Uint8Array | null): Uint8Array {
  const content = body ?? NO_BODY;
  return new CborWriter(label.length + content.length + 8).array(2).raw(label).bytes(content).finish();
}

/** Decodes a frame strictly; throws `malformed`, `too-large` or `unsupported`. */
export function readFrame(bytes: Uint8Array): Frame {
  const fields = decodeCbor(bytes, { bytesMax: FRAME_BYTES_MAX });
  if (!Array.isArray(fields) || fields.length !== 2) throw malformed('it is not an array of two');
  const [item, body] = fields as CborValue[];
  if (item === undefined || !(body instanceof Uint8Array)) throw malformed('its body is not a byte string');
  // The encoding is deterministic, so the label's bytes are what lies between the array's head and the body's.
  const labelBytes = bytes.subarray(1, bytes.length - encodedLength(body.length));
  const label = labelFromItem(item, labelBytes);
  if (isOpenKind(label.kind) !== (body.length === 0)) throw malformed('its body does not fit its kind');
  return { label, body };
}

function encodedLength(bytes: number): number {
  return bytes + (bytes < 24 ? 1 : bytes < 256 ? 2 : bytes < 65_536 ? 3 : 5);
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a frame: ${why}.`);
}
