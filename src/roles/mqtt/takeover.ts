/** How a connection ended, as far as it shows. */
export interface ConnectionEnd {
  /** From the broker's yes to the end. */
  readonly livedMs: number;
  /** The broker said that another client took the session over (MQTT 5.0, reason code 0x8E). */
  readonly saidTaken: boolean;
  /** The broker hung up without a word, as one of MQTT 3.1.1 does in that case. */
  readonly silent: boolean;
  /** Something was done over it: a publication was taken, by the broker or from it. */
  readonly useful: boolean;
}

/** What to make of it. */
export interface Verdict {
  /** Another client goes by the same id; said once, until there was calm. */
  readonly taken: boolean;
  /** The connection lived as long as one does that nobody disputes. */
  readonly calm: boolean;
  /** Nothing speaks against coming back soon. */
  readonly promising: boolean;
}

/** A connection that lives longer than this was not thrown out by a client that waits the least of pauses. */
const CALM_MS = 10_000;
/** So many short lives in a row are no accident. */
const SHORT_LIVES = 3;

/** Notices two clients with one id, which throw each other out for as long as both come back at once. */
export class TakeoverWatch {
  readonly #contestedCalmMs: number;
  #shortLives = 0;
  #contested = false;

  /** `pauseMaxMs` is the longest pause of whoever may be the other one: a calm that proves something is longer. */
  constructor(pauseMaxMs: number) {
    this.#contestedCalmMs = 2 * pauseMaxMs;
  }

  ended({ livedMs, saidTaken, silent, useful }: ConnectionEnd): Verdict {
    const calm = livedMs >= (this.#contested ? this.#contestedCalmMs : CALM_MS);
    if (calm) {
      this.#shortLives = 0;
      this.#contested = false;
    }
    this.#shortLives = silent && livedMs < CALM_MS ? this.#shortLives + 1 : 0;
    const taken = !this.#contested && (saidTaken || this.#shortLives >= SHORT_LIVES);
    this.#contested ||= taken;
    return { taken, calm, promising: calm || (useful && !this.#contested) };
  }
}
