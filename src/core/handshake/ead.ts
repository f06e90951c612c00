import type { CborValue } from '../cbor.ts';
import { SealwireError } from '../errors.ts';
import { encodeSequence, malformed } from './sequence.ts';

/** External authorization data of nobody: what we send in all four messages. */
export const NO_EAD: Uint8Array = new Uint8Array(0);

/**
 * Checks the EAD items at the end of a message and gives their encoding, which transcript and MACs cover
 * (RFC 9528, section 3.8). We know none: padding (label 0) and non-critical items are ignored, a critical one throws
 * `unsupported`, anything else `malformed`.
 */
export function checkEad(items: readonly CborValue[]): Uint8Array {
  let mayBeValue = false;
  for (const item of items) {
    if (item instanceof Uint8Array && mayBeValue) {
      mayBeValue = false;
      continue;
    }
    if (typeof item !== 'number' && typeof item !== 'bigint') throw malformed('an EAD label is not an integer');
    if (item < 0) {
      throw new SealwireError('unsupported', `The peer insists on EAD ${-item}, which this protocol does not use.`, {
        hint: 'Configure the other EDHOC implementation to send no critical EAD.',
      });
    }
    mayBeValue = true;
  }
  return items.length === 0 ? NO_EAD : encodeSequence(items);
}
