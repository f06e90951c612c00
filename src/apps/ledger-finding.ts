import type { Finding } from '../core/ledger/verify.ts';

/** A finding as one sentence: where, then what. */
export function findingSentence({ height, entryIndex, what }: Finding): string {
  const places: string[] = [];
  if (height !== null) places.push(`block ${height}`);
  if (entryIndex !== null) places.push(`entry ${entryIndex}`);
  const place = places.length === 0 ? 'The ledger' : places.join(', ');
  return `${place.charAt(0).toUpperCase()}${place.slice(1)}: ${what}.`;
}
