import { createInterface } from 'node:readline';
import type { Context } from './context.ts';

/** Lines that are sent and not yet done with, before the next one is read, and the same in bytes. */
const UNDER_WAY_MAX = 16_384;
const UNDER_WAY_BYTES_MAX = 8_388_608;

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
  const underWay = new UnderWay(stop);
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

/** Work that goes on at once, in a bounded amount. */
class UnderWay {
  readonly #onFailure: () => void;
  #count = 0;
  #bytes = 0;
  #room: PromiseWithResolvers<void> | undefined;
  #idle: PromiseWithResolvers<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(onFailure: () => void) {
    this.#onFailure = onFailure;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves when there is room for more. Never rejects. */
  add(work: Promise<unknown>, bytes: number): Promise<void> | undefined {
    this.#count += 1;
    this.#bytes += bytes;
    work.catch((error: unknown) => this.#fail(error)).then(() => this.#remove(bytes));
    if (this.#hasRoom) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Resolves when all of it is done; rejects as the first that failed. */
  async done(): Promise<void> {
    if (this.#count > 0) {
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
    }
    if (this.#failure) throw this.#failure.error;
  }

  get #hasRoom(): boolean {
    return this.#count < UNDER_WAY_MAX && this.#bytes < UNDER_WAY_BYTES_MAX;
  }

  #remove(bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
    if (this.#count === 0) this.#idle?.resolve();
    if (!this.#hasRoom) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#onFailure();
  }
}
