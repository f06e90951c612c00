import type { Clock } from '../../core/ports.ts';
import type { Session } from '../session.ts';

/** A reader that is there confirms within a fraction of this, over slow lines too. */
export const SILENCE_MS = 5_000;

/** Looks at sessions in which something was sent, for as long as their peers owe a confirmation. */
export class SilenceWatch {
  readonly #clock: Clock;
  readonly #onSilent: (session: Session) => Promise<void>;
  /** How to stop looking, by session. */
  readonly #watched = new Map<Session, () => void>();

  /** `onSilent` is called for a peer that has confirmed nothing for a while, and again a while later. Must not reject. */
  constructor(clock: Clock, onSilent: (session: Session) => Promise<void>) {
    this.#clock = clock;
    this.#onSilent = onSilent;
  }

  /** Something is about to be sent in `session`. */
  watch(session: Session): void {
    if (!this.#watched.has(session)) this.#lookIn(session, SILENCE_MS);
  }

  /** `session` is over. */
  forget(session: Session): void {
    this.#watched.get(session)?.();
    this.#watched.delete(session);
  }

  #lookIn(session: Session, delayMs: number): void {
    this.#watched.set(
      session,
      this.#clock.after(delayMs, () => this.#look(session)),
    );
  }

  #look(session: Session): void {
    const { silentMs, closing } = session;
    if (closing || silentMs === 0) this.forget(session);
    else if (silentMs < SILENCE_MS) this.#lookIn(session, SILENCE_MS - silentMs);
    else {
      void this.#onSilent(session).then(() => {
        if (this.#watched.has(session)) this.#lookIn(session, SILENCE_MS);
      });
    }
  }
}
