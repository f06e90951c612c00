/** Byte helpers that every floor shares; all of them take and give plain `Uint8Array`. */
export { bytesToUtf8, equalBytes } from '@noble/ciphers/utils.js';
export { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
export { base64nopad, base64urlnopad } from '@scure/base';

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Lowercase hexadecimal, two digits a byte. One joined text: of texts that were added up digit by digit V8 keeps every
 * step, ten times their length, and tables are full of keys made of these.
 */
export function bytesToHex(bytes: Uint8Array): string {
  const digits = new Array<string>(bytes.length);
  for (let i = 0; i < bytes.length; i++) digits[i] = HEX[bytes[i] ?? 0] ?? '';
  return digits.join('');
}

/** Bytewise lexicographic order (RFC 8949, section 4.2.1): negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
