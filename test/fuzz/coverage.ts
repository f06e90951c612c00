import { type Profiler, Session } from 'node:inspector';
import { setFlagsFromString } from 'node:v8';

const SOURCES = '/src/';

// Optimised code leaves out calls that it has inlined, and when V8 optimises depends on the clock. Costs up to a quarter.
for (const flag of ['--no-opt', '--no-maglev']) setFlagsFromString(flag);

/**
 * One for the thread, from the start: V8 counts blocks only of functions that it has compiled since, so that what a
 * later one saw would depend on what had run before it.
 */
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/**
 * Which characters of the project's own sources have run in this thread, block by block as V8 counts them. Its counters
 * cost nothing that could be measured beside a decoder; to take them costs about a third of a millisecond, so they are
 * taken once for a batch of inputs, and for single inputs only where a batch has reached something new.
 *
 * Jazzer.js (4.0.0) was looked at: its mutations know bytes only, and lengths and signatures would refuse nearly all of
 * them at the first checks; it instruments with Babel, and its native part does not load on Debian 12 (glibc 2.36).
 */
export class Coverage {
  /** By function, one byte a character: 1 where it has run. */
  readonly #seen = new Map<string, Uint8Array>();

  /** Counts from now on. */
  constructor() {
    session.post('Profiler.takePreciseCoverage');
  }

  /** True where something ran since the last call that never had before; it counts as seen only with `keep`. */
  reachedNew(keep: boolean): boolean {
    let isNew = false;
    session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error) throw error;
      for (const { url, functions } of answer.result) {
        if (!url.includes(SOURCES) || url.includes('/node_modules/')) continue;
        for (const one of functions) isNew = this.#look(url, one, keep) || isNew;
      }
    });
    return isNew;
  }

  #look(url: string, { ranges }: Profiler.FunctionCoverage, keep: boolean): boolean {
    const [whole] = ranges;
    if (!whole || whole.count === 0) return false;
    const { startOffset, endOffset } = whole;
    const key = `${url} ${startOffset}`;
    const seen = this.#seen.get(key) ?? new Uint8Array(endOffset - startOffset);
    const now = new Uint8Array(endOffset - startOffset);
    // Inner ranges follow the outer ones and have the last word.
    for (const range of ranges) {
      now.fill(range.count > 0 ? 1 : 0, range.startOffset - startOffset, range.endOffset - startOffset);
    }
    const isNew = now.some((ran, at) => ran === 1 && seen[at] === 0);
    if (isNew && keep) {
      now.forEach((ran, at) => {
        if (ran === 1) seen[at] = 1;
      });
      this.#seen.set(key, seen);
    }
    return isNew;
  }
}
