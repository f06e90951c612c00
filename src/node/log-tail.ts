const LINES_MAX = 200;
const CHARACTERS_MAX = 500;

/** The last lines that a server said, and whoever wants each as it comes. */
export class LogTail {
  readonly #lines: string[] = [];
  readonly #onLine: (line: string) => void;

  constructor(onLine: (line: string) => void = () => {}) {
    this.#onLine = onLine;
  }

  /** Takes one line; what is too long is cut. */
  add(line: string): void {
    const cut = line.slice(0, CHARACTERS_MAX).trimEnd();
    if (cut === '') return;
    if (this.#lines.push(cut) > LINES_MAX) this.#lines.shift();
    this.#onLine(cut);
  }

  /** Oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** The line that says best why it ended: its last error, else its last line; empty where it said nothing. */
  get lastWords(): string {
    return this.#lines.findLast((line) => /\berror\b/i.test(line)) ?? this.#lines.at(-1) ?? '';
  }
}
