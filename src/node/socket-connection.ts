import type { Socket } from 'node:net';
import { SealwireError } from '../core/errors.ts';
import { Handoff } from '../core/handoff.ts';
import { FRAME_BYTES_MAX, TUNING } from '../core/limits.ts';
import type { Clock, Connection } from '../core/ports.ts';
import { unitRefusal } from '../core/unit.ts';
import { systemClock } from './clock.ts';
import { frameUnit, UnitReader } from './framing.ts';

/** Bounds of one connection over a socket; what is left out comes from core/limits.ts. */
export interface SocketOptions {
  readonly clock?: Clock;
  readonly unitBytesMax?: number;
  /** Whole units held for a slow reader before the socket is paused; one more read may come on top. */
  readonly receiveBufferBytesMax?: number;
  /** How long a waiting `send` may go without the far end taking any of what is queued. */
  readonly writeTimeoutMs?: number;
  /** From a unit's first byte to its last, while we are reading. */
  readonly unitTimeoutMs?: number;
  /** How long `close` waits while the far end neither takes what is queued nor says goodbye. */
  readonly closeTimeoutMs?: number;
}

type Settings = Required<SocketOptions>;

/** What a unit in the queue costs beside its bytes, so that many short ones count too. */
const UNIT_OVERHEAD_BYTES = 128;
/** After this long in silence the system asks whether the far end is still there. */
const KEEP_ALIVE_MS = 30_000;

function settingsOf(options: SocketOptions): Settings {
  return {
    clock: systemClock,
    unitBytesMax: FRAME_BYTES_MAX,
    receiveBufferBytesMax: TUNING.receiveBufferBytesMax,
    writeTimeoutMs: TUNING.idleWriteTimeoutMs,
    unitTimeoutMs: TUNING.unitTimeoutMs,
    closeTimeoutMs: TUNING.closeTimeoutMs,
    ...options,
  };
}

/** At most one timer at a time. */
class Timer {
  readonly #clock: Clock;
  #stop: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get running(): boolean {
    return this.#stop !== undefined;
  }

  start(delayMs: number, action: () => void): void {
    this.stop();
    this.#stop = this.#clock.after(delayMs, () => {
      this.#stop = undefined;
      action();
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}

/** A `Connection` over an open socket, TCP or TLS, which it takes over. `remote` is for people and errors. */
export class SocketConnection implements Connection {
  readonly remote: string;
  readonly #socket: Socket;
  readonly #settings: Settings;
  readonly #reader: UnitReader;
  readonly #units = new Handoff<Uint8Array>((unit) => this.#taken(unit));
  readonly #down = Promise.withResolvers<void>();
  #heldBytes = 0;
  #paused = false;
  #corked = false;
  #writtenBytes = 0;
  /** Why nothing more can be sent. */
  #refusal: SealwireError | undefined;
  #drain: PromiseWithResolvers<void> | undefined;
  readonly #unitTimer: Timer;
  readonly #stallTimer: Timer;
  #closed = false;

  constructor(socket: Socket, remote: string, options: SocketOptions = {}) {
    this.remote = remote;
    this.#socket = socket;
    this.#settings = settingsOf(options);
    this.#reader = new UnitReader(this.#settings.unitBytesMax);
    this.#unitTimer = new Timer(this.#settings.clock);
    this.#stallTimer = new Timer(this.#settings.clock);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', (cause) => this.#fail(this.#cut('broke off', cause)));
    socket.on('end', () => this.#farEnd());
    socket.on('drain', () => this.#drained());
    socket.on('close', () => this.#gone());
    socket.on('data', (chunk) => this.#arrived(chunk));
    if (socket.destroyed) this.#gone();
  }

  send(unit: Uint8Array): Promise<void> {
    const refusal = this.#refusal ?? unitRefusal(unit, this.#settings.unitBytesMax);
    if (refusal) return Promise.reject(refusal);
    this.#cork();
    const framed = frameUnit(unit);
    this.#writtenBytes += framed.length;
    if (this.#socket.write(framed)) return Promise.resolve();
    if (!this.#drain) {
      this.#drain = Promise.withResolvers();
      this.#watchWrites(this.#settings.writeTimeoutMs, () => this.#fail(this.#stalled()));
    }
    return this.#drain.promise;
  }

  receive(): AsyncIterableIterator<Uint8Array> {
    return this.#units.items();
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#units.drop();
      this.#refuse(new SealwireError('session-closed', `The connection to ${this.remote} is closed here.`));
      this.#endSocket();
      // What still comes is read and thrown away: a socket closed over unread bytes resets the line, and the far end
      // could lose what we sent last.
      this.#socket.resume();
    }
    return this.#down.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What is written in one turn of the loop leaves as one piece: frames are small. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  #arrived(chunk: Uint8Array): void {
    if (this.#units.ended) return;
    let completed = false;
    try {
      this.#reader.push(chunk, (unit) => {
        completed = true;
        this.#heldBytes += unit.length + UNIT_OVERHEAD_BYTES;
        this.#units.put(unit);
      });
    } catch (error) {
      this.#fail(error instanceof SealwireError ? error : this.#cut('was given up', error));
      return;
    }
    // The timer ran for the unit that is now whole; the one begun since has its own time.
    if (completed) this.#unitTimer.stop();
    if (this.#heldBytes < this.#settings.receiveBufferBytesMax) this.#timeUnit();
    else {
      // The unit that may have begun is not timed: the delay is ours now.
      this.#paused = true;
      this.#socket.pause();
    }
  }

  #taken(unit: Uint8Array): void {
    this.#heldBytes -= unit.length + UNIT_OVERHEAD_BYTES;
    if (!this.#paused || this.#heldBytes >= this.#settings.receiveBufferBytesMax) return;
    this.#paused = false;
    this.#socket.resume();
    this.#timeUnit();
  }

  #timeUnit(): void {
    if (!this.#reader.begun || this.#unitTimer.running || this.#units.ended) return;
    const { unitTimeoutMs } = this.#settings;
    this.#unitTimer.start(unitTimeoutMs, () =>
      this.#fail(
        new SealwireError('timeout', `${this.remote} began a unit and did not end it in ${unitTimeoutMs} ms.`),
      ),
    );
  }

  #farEnd(): void {
    if (this.#reader.begun) {
      this.#fail(this.#cut('ended in the middle of a unit'));
      return;
    }
    this.#units.end();
    this.#refuse(this.#cut('has closed'));
    this.#endSocket();
  }

  /** The socket is of no use any more: whoever sends or receives learns why. */
  #fail(error: SealwireError): void {
    this.#units.end(error);
    this.#refuse(error);
    this.#socket.destroy();
  }

  #gone(): void {
    this.#fail(this.#cut('broke off'));
    this.#stallTimer.stop();
    this.#down.resolve();
  }

  #refuse(error: SealwireError): void {
    this.#unitTimer.stop();
    this.#refusal ??= error;
    this.#drain?.reject(this.#refusal);
    this.#drain = undefined;
  }

  #drained(): void {
    if (!this.#drain) return;
    this.#stallTimer.stop();
    this.#drain.resolve();
    this.#drain = undefined;
  }

  /** Says goodbye after what is queued. */
  #endSocket(): void {
    if (this.#socket.destroyed) return;
    this.#socket.end();
    this.#watchWrites(this.#settings.closeTimeoutMs, () => this.#socket.destroy());
  }

  /** Calls `onStall` once `timeoutMs` have passed in which the system took none of what is queued. */
  #watchWrites(timeoutMs: number, onStall: () => void): void {
    const flushed = (): number => this.#writtenBytes - this.#socket.writableLength;
    const before = flushed();
    this.#stallTimer.start(timeoutMs, () => {
      if (flushed() > before) this.#watchWrites(timeoutMs, onStall);
      else onStall();
    });
  }

  #stalled(): SealwireError {
    const { writeTimeoutMs } = this.#settings;
    return new SealwireError('timeout', `${this.remote} took nothing for ${writeTimeoutMs} ms.`);
  }

  #cut(how: string, cause?: unknown): SealwireError {
    return new SealwireError('stream-cut', `The connection to ${this.remote} ${how}.`, { cause });
  }
}
