import { equalBytes } from '../core/bytes.ts';
import type { SignedRoster } from '../core/roster/roster.ts';

/** Versions that wait for those before them, from the one that is to come next. */
export const AHEAD_MAX = 64;
/** Rosters that wait for one place: anyone can show a forged one, and only its predecessor tells which is genuine. */
const CANDIDATES_MAX = 4;
const BYTES_MAX = 8 * 1024 * 1024;

/** Rosters that cannot be judged before others have come; bounded in number and in bytes, the nearest are kept. */
export class WaitingRosters {
  readonly #byVersion = new Map<number, SignedRoster[]>();
  #bytes = 0;

  has(version: number): boolean {
    return this.#byVersion.has(version);
  }

  /** Keeps it where there is room; `next` is the version that is to come next. */
  add(roster: SignedRoster, next: number): void {
    if (roster.version >= next + AHEAD_MAX) return;
    const candidates = this.#byVersion.get(roster.version) ?? [];
    if (candidates.length >= CANDIDATES_MAX || candidates.some(({ bytes }) => equalBytes(bytes, roster.bytes))) return;
    this.#byVersion.set(roster.version, [...candidates, roster]);
    this.#bytes += roster.bytes.length;
    while (this.#bytes > BYTES_MAX) this.#take(Math.max(...this.#byVersion.keys()));
  }

  /** All that were shown as a version up to that one, first come first within each; they wait no more. */
  takeUpTo(version: number): readonly SignedRoster[] {
    const due = [...this.#byVersion.keys()].filter((waiting) => waiting <= version).toSorted((a, b) => a - b);
    return due.flatMap((waiting) => this.#take(waiting));
  }

  #take(version: number): readonly SignedRoster[] {
    const candidates = this.#byVersion.get(version) ?? [];
    this.#byVersion.delete(version);
    for (const { bytes } of candidates) this.#bytes -= bytes.length;
    return candidates;
  }
}
