/** Byte helpers that every floor shares; all of them take and give plain `Uint8Array`. */
export { bytesToUtf8, equalBytes } from '@noble/ciphers/utils.js';
export { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
export { base64nopad, base64urlnopad } from '@scure/base';

/** Bytewise lexicographic order (RFC 8949, section 4.2.1): negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
