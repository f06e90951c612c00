import { SIGN1_TAG } from '../cbor.ts';
import { CborReader } from '../cbor-reader.ts';
import { SealwireError } from '../errors.ts';
import { type LabelHeader, readLabelHeader } from './label.ts';

/**
 * What a frame claims about itself, read no further than it takes to find the session it may belong to: nothing is
 * checked but the header's form. Throws `malformed` or `unsupported`.
 */
export function readRoute(unit: Uint8Array): LabelHeader {
  const reader = new CborReader(unit);
  if (reader.array() !== 2) throw malformed();
  if (reader.tag() !== SIGN1_TAG || reader.array() !== 4) throw malformed();
  return readLabelHeader(reader.bytes());
}

function malformed(): SealwireError {
  return new SealwireError('malformed', 'Not a frame: it does not begin with a label.');
}
