import { encodeCbor } from '../cbor.ts';
import { ControlFields } from './control-field.ts';

/** A reader has frames of a ratchet whose keys it has not. */
export interface GrantRequest {
  readonly channel: string;
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  /** A frame that it has. */
  readonly seq: number;
}

/** Encodes the request: an array of three. */
export function encodeGrantRequest({ channel, ratchetId, seq }: GrantRequest): Uint8Array {
  return encodeCbor([channel, ratchetId, seq]);
}

/** Reads a request; throws `malformed`. */
export function decodeGrantRequest(data: Uint8Array): GrantRequest {
  const fields = new ControlFields('a request for a grant', data, 3);
  return { channel: fields.channel(0), ratchetId: fields.bytes(1, 16), seq: fields.count(2) };
}
