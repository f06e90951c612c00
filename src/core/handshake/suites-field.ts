import type { CborValue } from '../cbor.ts';
import { malformed } from './sequence.ts';

/** More suites than anybody has; a longer list costs the receiver work before it knows whom it works for. */
const SUITES_MAX = 32;

/**
 * Writes SUITES_I or SUITES_R (RFC 9528, section 5.2.1): a single suite as an integer, several as an array. In
 * SUITES_I they stand in the Initiator's order of preference and the last is the selected one.
 */
export function suitesToItem(ids: readonly number[]): CborValue {
  const [first] = ids;
  return ids.length === 1 && first !== undefined ? first : ids;
}

/** Reads SUITES_I or SUITES_R, at least one suite and none twice; throws `malformed`. */
export function suitesFromItem(name: string, item: CborValue | undefined): number[] {
  if (typeof item === 'number') return [item];
  if (!Array.isArray(item)) throw malformed(`${name} is neither an integer nor an array`);
  if (item.length < 2) throw malformed(`${name} is an array of ${item.length}, which takes two suites or more`);
  if (item.length > SUITES_MAX) throw malformed(`${name} names ${item.length} suites; ${SUITES_MAX} are enough`);
  const ids: number[] = [];
  for (const id of item as CborValue[]) {
    if (typeof id !== 'number') throw malformed(`${name} holds something that is no suite number`);
    if (ids.includes(id)) throw malformed(`${name} names suite ${id} twice`);
    ids.push(id);
  }
  return ids;
}
