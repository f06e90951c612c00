import type { Clock } from '../../src/core/ports.ts';

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Moves time on by `ms`, running due timers in the order of their times, each at its time. */
  advance(ms: number): void;
  /** Timers that are set. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly action: () => void;
}

/** `startMs` counts from 1970-01-01 UTC. */
export function manualClock(startMs: number = Date.UTC(2026, 0, 1)): ManualClock {
  let now = startMs;
  const timers = new Set<Timer>();
  const nextDue = (until: number): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers) if (timer.at <= until && (!next || timer.at < next.at)) next = timer;
    return next;
  };
  return {
    now: () => now,
    elapsed: () => now - startMs,
    after(delayMs, action) {
      const timer = { at: now + Math.max(0, delayMs), action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    // The loop turns whether or not time moves.
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    advance(ms) {
      const until = now + ms;
      for (let timer = nextDue(until); timer; timer = nextDue(until)) {
        timers.delete(timer);
        now = timer.at;
        timer.action();
      }
      now = until;
    },
    get pending() {
      return timers.size;
    },
  };
}
