/** Before the same thing is told again, and things that are remembered for that. */
const PAUSE_MS = 10_000;
const KEYS_MAX = 1024;

interface Told {
  readonly untilMs: number;
  withheld: number;
}

/** Keeps strangers from filling a log: what is the same again is told at most every 10 s, with its number. */
export class Seldom {
  readonly #nowMs: () => number;
  readonly #tell: (sentence: string) => void;
  readonly #told = new Map<string, Told>();

  constructor(nowMs: () => number, tell: (sentence: string) => void) {
    this.#nowMs = nowMs;
    this.#tell = tell;
  }

  /** Tells `sentence`, unless one of that `kind` was told just now: what a stranger can vary is no kind of its own. */
  say(sentence: string, kind: string = sentence): void {
    const nowMs = this.#nowMs();
    const last = this.#told.get(kind);
    if (last && nowMs < last.untilMs) {
      last.withheld += 1;
      return;
    }
    // Last in, first to be kept.
    this.#told.delete(kind);
    const [oldest] = this.#told.keys();
    if (this.#told.size >= KEYS_MAX && oldest !== undefined) this.#told.delete(oldest);
    this.#told.set(kind, { untilMs: nowMs + PAUSE_MS, withheld: 0 });
    this.#tell(last && last.withheld > 0 ? `${sentence} (and ${last.withheld} more like it before)` : sentence);
  }
}
