import { SealwireError } from '../core/errors.ts';
import { Handoff } from '../core/handoff.ts';
import { FRAME_BYTES_MAX, TUNING } from '../core/limits.ts';
import type { Clock, Connection } from '../core/ports.ts';
import { unitRefusal } from '../core/unit.ts';

/** What {@link memoryPair} may be told. */
export interface MemoryOptions {
  readonly unitBytesMax?: number;
  /** How much waits for a slow reader before `send` waits. */
  readonly receiveBufferBytesMax?: number;
  /** With it, a `send` that waits `writeTimeoutMs` without the reader taking anything breaks the pair: `timeout`. */
  readonly clock?: Clock;
  readonly writeTimeoutMs?: number;
}

/** Two ends joined in memory, for tests and for parts that live in one process. */
export interface MemoryPair {
  readonly a: Connection;
  readonly b: Connection;
  /** Breaks the line for both ends, as a pulled cable does: `stream-cut` after what has arrived. */
  cut(): void;
}

/** Joins two ends in memory. Units are copied, so each end may do with its bytes what it likes. */
export function memoryPair(options: MemoryOptions = {}): MemoryPair {
  const toA: Way = new Way(options, (stall) => broken(toB, toA, stall));
  const toB: Way = new Way(options, (stall) => broken(toA, toB, stall));
  const cut = (): void => {
    for (const way of [toA, toB]) way.fail(cutError(), cutError());
  };
  return { a: new MemoryConnection('memory://b', toA, toB), b: new MemoryConnection('memory://a', toB, toA), cut };
}

/** One who waited too long gives up on both ways; the other end finds the line cut. */
function broken(inward: Way, outward: Way, stall: SealwireError): void {
  outward.fail(stall, cutError());
  inward.fail(cutError(), stall);
}

function cutError(): SealwireError {
  return new SealwireError('stream-cut', 'The connection in memory was cut.');
}

/** One direction. */
class Way {
  readonly #options: MemoryOptions;
  readonly #onStall: (error: SealwireError) => void;
  readonly #units = new Handoff<Uint8Array>((unit) => this.#taken(unit));
  #bytes = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #stopTimer: () => void = () => {};
  #refusal: SealwireError | undefined;

  constructor(options: MemoryOptions, onStall: (error: SealwireError) => void) {
    this.#options = options;
    this.#onStall = onStall;
  }

  send(unit: Uint8Array): Promise<void> {
    const refusal = this.#refusal ?? unitRefusal(unit, this.#options.unitBytesMax ?? FRAME_BYTES_MAX);
    if (refusal) return Promise.reject(refusal);
    this.#bytes += unit.length;
    this.#units.put(unit.slice());
    return this.#hasRoom() ? Promise.resolve() : this.#wait();
  }

  receive(): AsyncIterableIterator<Uint8Array> {
    return this.#units.items();
  }

  /** The sender has closed: the reader gets what is there, then the end. */
  finish(): void {
    this.#units.end();
    const closed = new SealwireError('session-closed', 'This end of the connection in memory is closed.');
    this.#refuse(closed);
    this.#refusal = closed;
  }

  /** The reader has closed: nothing more is taken. */
  abandon(): void {
    this.#units.drop();
    this.#refuse(new SealwireError('stream-cut', 'The far end of the connection in memory is closed.'));
  }

  fail(forSender: SealwireError, forReader: SealwireError): void {
    this.#units.end(forReader);
    this.#refuse(forSender);
  }

  #refuse(error: SealwireError): void {
    this.#refusal ??= error;
    this.#stopTimer();
    this.#waiting?.reject(this.#refusal);
    this.#waiting = undefined;
  }

  #hasRoom(): boolean {
    return this.#bytes < (this.#options.receiveBufferBytesMax ?? TUNING.receiveBufferBytesMax);
  }

  #wait(): Promise<void> {
    if (!this.#waiting) {
      this.#waiting = Promise.withResolvers();
      this.#startTimer();
    }
    return this.#waiting.promise;
  }

  #taken(unit: Uint8Array): void {
    this.#bytes -= unit.length;
    if (!this.#waiting) return;
    this.#startTimer();
    if (!this.#hasRoom()) return;
    this.#stopTimer();
    this.#waiting.resolve();
    this.#waiting = undefined;
  }

  #startTimer(): void {
    const { clock, writeTimeoutMs = TUNING.idleWriteTimeoutMs } = this.#options;
    this.#stopTimer();
    if (!clock) return;
    this.#stopTimer = clock.after(writeTimeoutMs, () =>
      this.#onStall(new SealwireError('timeout', `The far end took nothing for ${writeTimeoutMs} ms.`)),
    );
  }
}

class MemoryConnection implements Connection {
  readonly remote: string;
  readonly #in: Way;
  readonly #out: Way;

  constructor(remote: string, inward: Way, outward: Way) {
    this.remote = remote;
    this.#in = inward;
    this.#out = outward;
  }

  send(unit: Uint8Array): Promise<void> {
    return this.#out.send(unit);
  }

  receive(): AsyncIterableIterator<Uint8Array> {
    return this.#in.receive();
  }

  close(): Promise<void> {
    this.#out.finish();
    this.#in.abandon();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
