import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 4096;
const FROM_POOL_BYTES_MAX = 64;

const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;

/**
 * Fresh random bytes of the system's generator. Few at a time come out of a pool, because asking for 16 costs as much as
 * for 4096; what was given out is wiped there.
 */
export function freshRandom(length: number): Uint8Array {
  if (length > FROM_POOL_BYTES_MAX) return randomFillSync(new Uint8Array(length));
  if (used + length > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = pool.slice(used, used + length);
  pool.fill(0, used, used + length);
  used += length;
  return bytes;
}
