import { encodeCbor } from '../cbor.ts';
import { ControlFields } from './control-field.ts';

/** A reader has kept a grant: its writer owes it those keys no more. */
export interface GrantAck {
  readonly channel: string;
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  /** That of the grant. */
  readonly seq: number;
}

/** Encodes the acknowledgement: an array of three. */
export function encodeGrantAck({ channel, ratchetId, seq }: GrantAck): Uint8Array {
  return encodeCbor([channel, ratchetId, seq]);
}

/** Reads an acknowledgement; throws `malformed`. */
export function decodeGrantAck(data: Uint8Array): GrantAck {
  const fields = new ControlFields('the acknowledgement of a grant', data, 3);
  return { channel: fields.channel(0), ratchetId: fields.bytes(1, 16), seq: fields.count(2) };
}
