import { decodeCbor, encodeCbor } from '../cbor.ts';
import { HANDSHAKE_BYTES_MAX } from '../limits.ts';
import { malformed } from './sequence.ts';

/** What a transport carries of a handshake: which one, by the receiver's own identifier, and the EDHOC message. */
export interface Envelope {
  /** C_I or C_R as its receiver chose it; null with message_1, which begins one. */
  readonly connectionId: Uint8Array | null;
  /** message_1 to message_4, or an error message. */
  readonly message: Uint8Array;
}

const FRAMING_BYTES_MAX = 64;

/** Encodes `[C | null, message]`. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return encodeCbor([envelope.connectionId, envelope.message]);
}

/** Decodes an envelope; throws `malformed` or `too-large`. */
export function decodeEnvelope(data: Uint8Array): Envelope {
  const fields = decodeCbor(data, { bytesMax: HANDSHAKE_BYTES_MAX + FRAMING_BYTES_MAX, depthMax: 1 });
  const [connectionId, message, ...rest] = Array.isArray(fields) ? fields : [];
  const isIdentifier = connectionId === null || connectionId instanceof Uint8Array;
  if (!isIdentifier || !(message instanceof Uint8Array) || rest.length > 0) {
    throw malformed('an envelope is a connection identifier or null, and a message');
  }
  return { connectionId, message };
}
