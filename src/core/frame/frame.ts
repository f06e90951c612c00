import { CborReader } from '../cbor-reader.ts';
import { CborWriter } from '../cbor-writer.ts';
import { SealwireError } from '../errors.ts';
import { FRAME_BYTES_MAX } from '../limits.ts';
import { isOpenKind, type Label, readLabel } from './label.ts';

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

/** Decodes a frame strictly; throws `malformed`, `too-large`, `unsupported` or `signature-invalid` (high s). */
export function readFrame(bytes: Uint8Array): Frame {
  if (bytes.length > FRAME_BYTES_MAX) {
    throw new SealwireError('too-large', `A frame of ${bytes.length} bytes is over the bound of ${FRAME_BYTES_MAX}.`);
  }
  const reader = new CborReader(bytes);
  if (reader.array() !== 2) throw malformed('it is not an array of two');
  const label = readLabel(reader, bytes);
  const body = reader.bytes();
  reader.end();
  if (isOpenKind(label.kind) !== (body.length === 0)) throw malformed('its body does not fit its kind');
  return { label, body };
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a frame: ${why}.`);
}
