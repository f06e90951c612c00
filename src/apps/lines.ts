import { createInterface } from 'node:readline';
import type { Context } from './context.ts';

/** Sends each line of standard input, until the input, the signal or what `over` stands for ends. */
export async function sendLines(
  { signal }: Context,
  send: (payload: Uint8Array) => Promise<unknown>,
  over?: Promise<void>,
): Promise<void> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  const stop = (): void => lines.close();
  signal.addEventListener('abort', stop, { once: true });
  void over?.then(stop);
  const encoder = new TextEncoder();
  for await (const line of lines) await send(encoder.encode(line));
  // An open standard input would keep the process alive.
  process.stdin.destroy();
}
