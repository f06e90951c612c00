import type { Clock } from '../../../src/core/ports.ts';

/** Where a {@link DelayedWay} leads. */
export interface WayOut {
  write(chunk: Uint8Array): void;
  /** Nothing more comes. */
  end(): void;
}

/** How long a way takes, and how much at a time. */
export interface WayTiming {
  /** Of every byte. */
  readonly delayMs?: number;
  /** So much more at most, by chance; nothing overtakes. */
  readonly jitterMs?: number;
  /** How much gets onto the way in a second. */
  readonly bytesPerSecond?: number;
}

/** From 0 up to, not with, 1. */
export type Chance = () => number;

interface Item {
  readonly dueMs: number;
  /** Or what is to happen there. */
  readonly chunk: Uint8Array | (() => void);
}

/** A narrow way lets out so many pieces a second, so that what is large does not come all at once at its end. */
const PIECES_PER_SECOND = 50;

/** One direction of a link: what goes in comes out later, byte for byte and in order. */
export class DelayedWay {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #jitterMs: number;
  readonly #bytesPerSecond: number;
  readonly #out: WayOut;
  readonly #chance: Chance;
  #items: Item[] = [];
  #cancelTimer: (() => void) | undefined;
  #bytes = 0;
  #dueMs = 0;
  /** When what went in before will have got onto the way. */
  #clearMs = 0;
  #isHeld = false;
  #isCut = false;

  constructor(clock: Clock, timing: WayTiming, out: WayOut, chance: Chance = Math.random) {
    const { delayMs = 0, jitterMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = timing;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#jitterMs = jitterMs;
    this.#bytesPerSecond = bytesPerSecond;
    this.#out = out;
    this.#chance = chance;
  }

  /** Of what is on its way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The chunk must not be changed afterwards. */
  put(chunk: Uint8Array): void {
    if (this.#isCut) return;
    const pieceBytes = Math.max(1, Math.ceil(this.#bytesPerSecond / PIECES_PER_SECOND));
    for (let at = 0; at < chunk.length; at += pieceBytes) {
      const piece = chunk.length <= pieceBytes ? chunk : chunk.subarray(at, at + pieceBytes);
      this.#bytes += piece.length;
      this.#add(piece);
    }
  }

  /** The end takes as long as everything else. */
  end(): void {
    this.#add(() => this.#out.end());
  }

  /** `action` is done once all is out that was put in before, and before what is put in after. */
  mark(action: () => void): void {
    this.#add(action);
  }

  /** Nothing comes out from now on. */
  hold(): void {
    this.#isHeld = true;
    this.#stopTimer();
  }

  /** What was held comes out once it is due. */
  flow(): void {
    this.#isHeld = false;
    this.#arm();
  }

  /** What is still on its way is lost, and whatever may follow. */
  cut(): void {
    this.#isCut = true;
    this.#stopTimer();
    this.#items = [];
    this.#bytes = 0;
  }

  #add(chunk: Item['chunk']): void {
    if (this.#isCut) return;
    const now = this.#clock.elapsed();
    this.#clearMs =
      Math.max(now, this.#clearMs) + ((typeof chunk === 'function' ? 0 : chunk.length) * 1000) / this.#bytesPerSecond;
    const extraMs = this.#jitterMs > 0 ? this.#jitterMs * this.#chance() : 0;
    this.#dueMs = Math.max(this.#dueMs, this.#clearMs + this.#delayMs + extraMs);
    this.#items.push({ dueMs: this.#dueMs, chunk });
    // A way that takes no time costs none.
    if (this.#dueMs <= now && this.#items.length === 1 && !this.#isHeld) this.#letOut();
    else this.#arm();
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #arm(): void {
    const first = this.#items[0];
    if (!first || this.#cancelTimer || this.#isHeld) return;
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
    for (const [i, { chunk }] of due.entries()) {
      if (typeof chunk !== 'function') {
        this.#bytes -= chunk.length;
        this.#out.write(chunk);
        continue;
      }
      chunk();
      if (this.#isCut) return;
      if (!this.#isHeld) continue;
      this.#items.unshift(...due.slice(i + 1));
      return;
    }
  }
}
