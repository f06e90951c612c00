import type { Clock } from '../core/ports.ts';

/** Node runs a timer at once whose delay is over 31 bits. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** This machine's time. A timer keeps the process alive until it has run or is called off. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(delayMs, action) {
    let left = Math.max(0, delayMs);
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const step = Math.min(left, DELAY_MS_MAX);
      left -= step;
      timer = setTimeout(left > 0 ? arm : action, step);
    };
    arm();
    return () => clearTimeout(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};
