import { SealwireError } from '../core/errors.ts';
import type { Confirmed, InFlight, InFlightFrame } from './in-flight.ts';
import { RetransmissionTimeout } from './retransmission-timeout.ts';
import type { SessionContext } from './session-context.ts';
import type { Turns } from './turns.ts';

/** The longest pause between two tries. */
const TIMEOUT_MAX_MS = 30_000;

/** Sends again what the reader missed: what its receipts leave out and, where carriers lose things, what takes too long. */
export class Repairing {
  readonly #context: SessionContext;
  readonly #inFlight: InFlight;
  /** Frames leave one after the other, whoever sends them. */
  readonly #turns: Turns;
  readonly #onSilence: (error: SealwireError) => void;
  readonly #timeout: RetransmissionTimeout | undefined;
  /** When the reader was heard last, or when there was first something for it to confirm. */
  #heardAtMs: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #stopped = false;

  constructor(context: SessionContext, inFlight: InFlight, turns: Turns, onSilence: (error: SealwireError) => void) {
    this.#context = context;
    this.#inFlight = inFlight;
    this.#turns = turns;
    this.#onSilence = onSilence;
    const { resendMs } = context.tuning;
    if (resendMs !== null) this.#timeout = new RetransmissionTimeout({ firstMs: resendMs, maxMs: TIMEOUT_MAX_MS });
  }

  /** For how long a frame that leaves now may stay unconfirmed, milliseconds; undefined where nothing is sent again. */
  get pauseMs(): number | undefined {
    return this.#timeout?.ms;
  }

  /** A frame was put under way. */
  watch(): void {
    this.#heardAtMs ??= this.#context.clock.elapsed();
    this.#schedule();
  }

  /** A receipt came. */
  heard({ frames, newest, sentAtMs }: Confirmed): void {
    const now = this.#context.clock.elapsed();
    if (sentAtMs !== null) {
      this.#timeout?.measured(now - sentAtMs);
      this.#timeout?.heard();
    } else if (frames.length > 0) this.#timeout?.progressed();
    this.#heardAtMs = this.#inFlight.size > 0 ? now : undefined;
    this.#repair(this.#inFlight.takeLost(newest));
    this.#cancel();
    this.#schedule();
  }

  /** For how long the reader has confirmed nothing, though there was something to confirm; milliseconds. */
  get silentMs(): number {
    return this.#heardAtMs === undefined ? 0 : this.#context.clock.elapsed() - this.#heardAtMs;
  }

  /** There is little time left, or reason to believe that the way is open again: what is overdue goes at once. */
  hurry(): void {
    if (!this.#timeout || this.#stopped) return;
    this.#timeout.heard();
    this.#cancel();
    this.#onTimeout();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #schedule(): void {
    if (!this.#timeout || this.#cancelTimer || this.#stopped || this.#inFlight.size === 0) return;
    const { clock, tuning } = this.#context;
    const now = clock.elapsed();
    const overdueAtMs = this.#inFlight.overdueAtMs(this.#timeout.pauses);
    // While a carrier takes nothing there is nothing to send again, but there still is an end to patience.
    const givenUpAtMs = (this.#heardAtMs ?? now) + tuning.unconfirmedMaxMs + 1;
    const dueAtMs = Math.min(overdueAtMs ?? givenUpAtMs, givenUpAtMs);
    this.#cancelTimer = clock.after(Math.max(0, dueAtMs - now), () => {
      this.#cancelTimer = undefined;
      this.#onTimeout();
    });
  }

  #onTimeout(): void {
    const { clock, tuning } = this.#context;
    const now = clock.elapsed();
    if (now - (this.#heardAtMs ?? now) > tuning.unconfirmedMaxMs) {
      this.#onSilence(
        new SealwireError('peer-offline', `The peer confirmed nothing for ${tuning.unconfirmedMaxMs} ms.`, {
          hint: 'What was not confirmed may not have reached it.',
        }),
      );
      return;
    }
    if (!this.#timeout) return;
    const overdue = this.#inFlight.takeOverdue(now, this.#timeout.pauses);
    if (overdue.length > 0) this.#timeout.backOff();
    this.#repair(overdue);
    this.#schedule();
  }

  #repair(lost: readonly InFlightFrame[]): void {
    const [again, gone] = [lost.filter(({ repaired }) => repaired), lost.filter(({ repaired }) => !repaired)];
    for (const frame of gone) this.#sayLost(frame);
    if (again.length > 0) this.#turns.run(() => this.#resend(again)).catch(() => {});
  }

  async #resend(lost: readonly InFlightFrame[]): Promise<void> {
    const { clock, connection, onEvent } = this.#context;
    for (const frame of lost) {
      if (this.#stopped || !this.#inFlight.resent(frame, clock.elapsed(), this.#timeout?.pauses.againMs)) continue;
      // Where topics are, it goes to the reader alone: the others on its topic have missed nothing.
      await connection.send(frame.bytes);
      onEvent({ type: 'repaired', seq: frame.seq });
    }
    this.#cancel();
    this.#schedule();
  }

  #sayLost(frame: InFlightFrame): void {
    const { seq, messages } = frame;
    this.#inFlight.giveUp(frame);
    if (this.#inFlight.size === 0) this.#heardAtMs = undefined;
    for (const { done } of messages) {
      done.reject(
        new SealwireError('gap', `The frame with seq ${seq} was lost on its way and is not sent again.`, {
          hint: 'Quality of service 0 repairs nothing; choose 1 or 2 where every message counts.',
        }),
      );
    }
    this.#context.onEvent({ type: 'lost', seq });
  }
}
