import { createInterface } from 'node:readline';
import type { Context } from './context.ts';
import { UnderWay } from './under-way.ts';

/** Lines that are sent and not yet done with, before the next one is read. */
const BOUNDS = { countMax: 16_384, bytesMax: 8_388_608 };

/**
 * Sends each line of standard input, until the input, the signal or what `over` stands for ends. Lines leave as fast as
 * they are read, so that they may share frames; all of them are waited for in the end. Rejects as the first of them
 * does, and then reads no further.
 */
export async function sendLines(
  { signal }: Context,
  send: (payload: Uint8Array) => Promise<unknown>,
  over?: Promise<void>,
): Promise<void> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  const stop = (): void => lines.close();
  signal.addEventListener('abort', stop, { once: true });
  void over?.then(stop);
  const underWay = new UnderWay(BOUNDS, stop);
  const encoder = new TextEncoder();
  try {
    for await (const line of lines) {
      if (signal.aborted || underWay.failed) break;
      const payload = encoder.encode(line);
      await underWay.add(send(payload), payload.length);
    }
    await underWay.done();
  } finally {
    signal.removeEventListener('abort', stop);
    // An open standard input would keep the process alive.
    process.stdin.destroy();
  }
}
