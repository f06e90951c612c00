import type { Clock } from '../../core/ports.ts';
import type { InboxContext } from './inbox-context.ts';

/** Each pause is so much longer than the one before. */
const GROWTH = 1.5;
/** How far a pause may differ either way, so that those who began together do not go on together. */
const JITTER = 0.25;

/** Sends one message verbatim, again and again in growing pauses, until it is stopped. */
export class Resending {
  readonly #context: InboxContext;
  readonly #to: Uint8Array;
  readonly #reply: StoredReply;
  #pauseMs: number;
  #cancelTimer: (() => void) | undefined;

  /** Of `unit`, to `to`. `onFailure` hears of a carrier that does not take it. */
  constructor(context: InboxContext, to: Uint8Array, unit: Uint8Array, onFailure: (cause: unknown) => void) {
    this.#context = context;
    this.#to = to;
    this.#pauseMs = context.tuning.resendFirstMs;
    this.#reply = new StoredReply(context, unit, onFailure);
  }

  /** Sends it for the first time, now. */
  start(): void {
    this.#schedule();
    this.again();
  }

  /** Sends it once more now, as a duplicate of what it answers asks for. */
  again(): void {
    this.#reply.send(this.#to);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #schedule(): void {
    const { party, tuning } = this.#context;
    const delayMs = this.#pauseMs * (1 - JITTER + 2 * JITTER * fraction(this.#context));
    this.#pauseMs = Math.min(tuning.resendMaxMs, this.#pauseMs * GROWTH);
    this.#cancelTimer = party.clock.after(delayMs, () => {
      this.again();
      this.#schedule();
    });
  }
}

/** A message that is kept as it was first sent, for duplicates of what it answers; it is never built anew. */
export class StoredReply {
  readonly #clock: Clock;
  readonly #context: InboxContext;
  readonly #unit: Uint8Array;
  readonly #onFailure: (cause: unknown) => void;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #isLeaving = false;

  constructor(context: InboxContext, unit: Uint8Array, onFailure: (cause: unknown) => void) {
    this.#clock = context.party.clock;
    this.#context = context;
    this.#unit = unit;
    this.#onFailure = onFailure;
  }

  /** Sends it, unless that was done a moment ago or the carrier has not taken the last copy yet. */
  send(to: Uint8Array): void {
    const now = this.#clock.now();
    const elapsedMs = now - this.#sentAtMs;
    // A clock that was set back says nothing about the pause.
    const isTooSoon = elapsedMs >= 0 && elapsedMs < this.#context.tuning.replyPauseMs;
    if (this.#isLeaving || isTooSoon) return;
    this.#sentAtMs = now;
    this.#isLeaving = true;
    // Nobody waits here: what is received may have to be taken before there is room to send.
    this.#context
      .send(to, this.#unit.slice())
      .catch(this.#onFailure)
      .finally(() => {
        this.#isLeaving = false;
      });
  }
}

function fraction({ party }: InboxContext): number {
  const [byte = 0] = party.crypto.random(1);
  return byte / 255;
}
