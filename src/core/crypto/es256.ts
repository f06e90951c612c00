import { bytesToHex, compareBytes, hexToBytes } from '../bytes.ts';

const SCALAR_BYTES = 32;
const ORDER = hexToBytes('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const HALF_ORDER = hexToBytes('7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8');

/** Length of an ES256 signature, r ‖ s (RFC 7518, section 3.4). */
export const SIGNATURE_BYTES = 64;

/** True where s is at most half the group order: of the two signatures (r, s) and (r, n−s) only one has it. */
export function isLowS(signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && compareBytes(signature.subarray(32), HALF_ORDER) <= 0;
}

/** The same signature with low s. Verifies exactly where the given one does. */
export function toLowS(signature: Uint8Array): Uint8Array {
  if (isLowS(signature)) return signature;
  const out = signature.slice();
  let borrow = 0;
  for (let i = SIGNATURE_BYTES - 1; i >= SCALAR_BYTES; i--) {
    const difference = (ORDER[i - SCALAR_BYTES] ?? 0) - (signature[i] ?? 0) - borrow;
    borrow = difference < 0 ? 1 : 0;
    out[i] = difference + 256 * borrow;
  }
  return out;
}

const FIELD = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/** True for an uncompressed point (65 bytes) on P-256: y² = x³ − 3x + b, coordinates reduced (SEC 1, section 3.2.2.1). */
export function isOnCurve(point: Uint8Array): boolean {
  if (point.length !== 65 || point[0] !== 4) return false;
  const x = BigInt(`0x${bytesToHex(point.subarray(1, 33))}`);
  const y = BigInt(`0x${bytesToHex(point.subarray(33))}`);
  return x < FIELD && y < FIELD && (y * y - (x * x - 3n) * x - B) % FIELD === 0n;
}
