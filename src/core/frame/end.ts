import { type CborValue, decodeCbor, encodeCbor } from '../cbor.ts';
import { SealwireError } from '../errors.ts';

/** Voids that one closing frame names at most: what its label has room for. */
export const VOIDS_MAX = 256;

/** A sender's signed word that its ratchet is over: nothing but delivery receipts follows. */
export interface RatchetEnd {
  /** The seq of the closing frame itself. */
  readonly finalSeq: number;
  /** How many messages the sender's stream held. */
  readonly messages: number;
  /** Seqs below it that were used up but will never be sent. */
  readonly voids: readonly number[];
}

/** The content of a closing frame's label. */
export function encodeRatchetEnd(end: RatchetEnd): Uint8Array {
  return encodeCbor([end.finalSeq, end.messages, end.voids]);
}

/** Reads a closing frame's content; throws `malformed`. `seq` is its label's, which it has to name as the last. */
export function decodeRatchetEnd(content: Uint8Array, seq: number): RatchetEnd {
  const fields = decodeCbor(content);
  if (!Array.isArray(fields) || fields.length !== 3) throw malformed('it has not three elements');
  const [finalSeq, messages, voids] = fields as CborValue[];
  if (finalSeq !== seq) throw malformed('it names another seq than its own as the last');
  if (typeof messages !== 'number' || messages < 0) throw malformed('its count is not a whole number');
  if (!Array.isArray(voids) || voids.length > VOIDS_MAX) throw malformed('its voids are not a short list');
  const list: number[] = [];
  for (const at of voids as CborValue[]) {
    if (typeof at !== 'number' || at <= (list.at(-1) ?? -1) || at >= seq)
      throw malformed('its voids are not ascending');
    list.push(at);
  }
  return { finalSeq: seq, messages, voids: list };
}

function malformed(why: string): SealwireError {
  return new SealwireError('malformed', `Not a ratchet's end: ${why}.`);
}
