import { encodeCbor } from '../cbor.ts';
import { ControlFields } from './control-field.ts';

/** A writer's keys, for one reader, from one frame of a ratchet on. Told in their session only. */
export interface Grant {
  readonly channel: string;
  /** 16 bytes. */
  readonly ratchetId: Uint8Array;
  /** The first frame that it opens. */
  readonly seq: number;
  /** The chain key at `seq`, 32 bytes: all that follows comes of it, and nothing before. */
  readonly chainKey: Uint8Array;
  /** The writer's stream in the channel, 8 bytes. */
  readonly stream: Uint8Array;
  /** The number in it of the first message in frame `seq`: so a loss at the very start shows. */
  readonly n: number;
}

/** Encodes a grant: an array of six. */
export function encodeGrant({ channel, ratchetId, seq, chainKey, stream, n }: Grant): Uint8Array {
  return encodeCbor([channel, ratchetId, seq, chainKey, stream, n]);
}

/** Reads a grant; throws `malformed`. */
export function decodeGrant(data: Uint8Array): Grant {
  const fields = new ControlFields('a grant', data, 6);
  return {
    channel: fields.channel(0),
    ratchetId: fields.bytes(1, 16),
    seq: fields.count(2),
    chainKey: fields.bytes(3, 32),
    stream: fields.bytes(4, 8),
    n: fields.count(5),
  };
}
