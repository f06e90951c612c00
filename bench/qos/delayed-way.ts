import type { Clock } from '../../src/core/ports.ts';

/** Where a {@link DelayedWay} leads. */
export interface WayOut {
  write(chunk: Uint8Array): void;
  /** Nothing more comes. */
  end(): void;
}

interface Item {
  readonly dueMs: number;
  /** Null for the end. */
  readonly chunk: Uint8Array | null;
}

/** One direction of a long line: what goes in comes out `delayMs` later, byte for byte and in order, as much as you like. */
export class DelayedWay {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #out: WayOut;
  #items: Item[] = [];
  #cancelTimer: (() => void) | undefined;
  #bytes = 0;

  constructor(clock: Clock, delayMs: number, out: WayOut) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#out = out;
  }

  /** Of what is on its way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The chunk must not be changed afterwards. */
  put(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    this.#add(chunk);
  }

  /** The end takes as long as everything else. */
  end(): void {
    this.#add(null);
  }

  /** What is still on its way is lost. */
  cut(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#items = [];
    this.#bytes = 0;
  }

  #add(chunk: Uint8Array | null): void {
    this.#items.push({ dueMs: this.#clock.elapsed() + this.#delayMs, chunk });
    this.#arm();
  }

  #arm(): void {
    const first = this.#items[0];
    if (!first || this.#cancelTimer) return;
    this.#cancelTimer = this.#clock.after(Math.max(0, first.dueMs - this.#clock.elapsed()), () => {
      this.#cancelTimer = undefined;
      this.#letOut();
      this.#arm();
    });
  }

  #letOut(): void {
    const now = this.#clock.elapsed();
    const count = this.#items.findIndex(({ dueMs }) => dueMs > now);
    // A timer may be a fraction early; then nothing is due yet, and it is set again.
    const due = this.#items.splice(0, count === -1 ? this.#items.length : count);
    for (const { chunk } of due) {
      if (chunk === null) this.#out.end();
      else {
        this.#bytes -= chunk.length;
        this.#out.write(chunk);
      }
    }
  }
}
