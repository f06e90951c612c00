import { InvalidArgumentError } from 'commander';

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** For commander's value parsers: a time like `500ms`, `10s`, `2m`, `1h` or `7d`, in milliseconds. */
export function duration(text: string): number {
  const [, digits, unit] = /^(\d{1,6})(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Number(digits) * (UNITS_MS[unit as keyof typeof UNITS_MS] ?? Number.NaN);
  if (!(ms > 0)) throw new InvalidArgumentError('It is not a time like 500ms, 10s, 2m, 1h or 7d.');
  return ms;
}
