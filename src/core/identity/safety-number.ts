import { bytesToHex, compareBytes, concatBytes, utf8ToBytes } from '../bytes.ts';
import type { Crypto } from '../crypto/port.ts';
import { SealwireError } from '../errors.ts';
import { formatId } from './id.ts';

// 199 bits, so that not even two keys made for it come to the same one.
const SAFETY_NUMBER_DIGITS = 60;

const DOMAIN = utf8ToBytes('sealwire/1 safety number');
const GROUP = /\d{5}/g;

/**
 * What two people read to each other to know that nobody stands between them: 12 groups of 5 decimal digits, the same
 * from both sides. The last 60 decimal digits of SHA-256(domain ‖ lower id ‖ higher id) as a big-endian number. Throws
 * `malformed` for ids that do not have 32 bytes, and where both are the same.
 */
export function safetyNumber(crypto: Crypto, one: Uint8Array, other: Uint8Array): string {
  const order = compareBytes(one, other);
  if (order === 0) throw new SealwireError('malformed', `${formatId(one)} has no safety number with itself.`);
  for (const id of [one, other]) formatId(id);
  const hash = crypto.sha256(concatBytes(DOMAIN, ...(order < 0 ? [one, other] : [other, one])));
  const digits = (BigInt(`0x${bytesToHex(hash)}`) % 10n ** BigInt(SAFETY_NUMBER_DIGITS)).toString();
  return (digits.padStart(SAFETY_NUMBER_DIGITS, '0').match(GROUP) ?? []).join(' ');
}
