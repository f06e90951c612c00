import { SealwireError } from '../errors.ts';

/** HKDF-Expand gives no more than 255 blocks of SHA-256 (RFC 5869, section 2.3). */
export const HKDF_BYTES_MAX: number = 255 * 32;

/** Throws `too-large` for a length that HKDF-Expand does not have. */
export function checkHkdfBytes(length: number): void {
  if (length <= HKDF_BYTES_MAX) return;
  throw new SealwireError('too-large', `HKDF derives ${HKDF_BYTES_MAX} bytes at most, not ${length}.`);
}
