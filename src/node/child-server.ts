import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { SealwireError } from '../core/errors.ts';
import { systemClock } from './clock.ts';
import { LogTail } from './log-tail.ts';

/** Which program runs as a server, and how it shows that it does. */
export interface ChildServerOptions {
  /** For people: `Mosquitto`. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Whether this line of its output says that it takes connections; throws to give the start up. */
  readonly isReady: (line: string) => boolean;
  /** Told each line of output. */
  readonly onLog?: ((line: string) => void) | undefined;
  /** Removed with everything in it once the program has ended, however that came. */
  readonly directory?: string;
  readonly readyTimeoutMs?: number;
  readonly stopTimeoutMs?: number;
}

/** How a server ended. */
export interface ServerExit {
  /** Its exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  /** What it said last. */
  readonly lastWords: string;
}

const READY_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;
const ASK_AGAIN_MS = 100;
const LAST_OUTPUT_TIMEOUT_MS = 500;

/**
 * Ends a program ($1) and removes its directory ($2) once its standard input ends: a pipe that this process holds, and
 * that the system closes whatever way this process ends.
 */
const GUARD = `read -r _
kill "$1" 2>/dev/null
n=0; while kill -0 "$1" 2>/dev/null && [ $n -lt 5 ]; do sleep 1; n=$((n+1)); done
kill -9 "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"`;

/**
 * Another program that serves for as long as this process wants and lives. It has a session of its own, so that Ctrl-C
 * reaches this process only, which then stops it in order.
 */
export class ChildServer {
  readonly log: LogTail;
  /** Resolves when it has ended and its directory is gone; never rejects. */
  readonly exited: Promise<ServerExit>;
  readonly #child: ChildProcess;
  readonly #stopTimeoutMs: number;
  readonly #ready = Promise.withResolvers<void>();

  /** Use {@link ChildServer.start}. */
  constructor(options: ChildServerOptions) {
    const { name, program, args, directory, onLog } = options;
    this.log = new LogTail(onLog);
    this.#stopTimeoutMs = options.stopTimeoutMs ?? STOP_TIMEOUT_MS;
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#child.on('error', (cause) => {
      this.#ready.reject(new SealwireError('broker-failed', `${name} (${program}) cannot be run.`, { cause }));
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) this.#read(stream, options);
    const release = guard(this.#child, directory);
    this.exited = this.#ended(release, directory);
  }

  /** Runs it and resolves when it is ready; throws `broker-failed` where it ends before or takes too long. */
  static async start(options: ChildServerOptions): Promise<ChildServer> {
    const { name, readyTimeoutMs = READY_TIMEOUT_MS } = options;
    const server = new ChildServer(options);
    const late = Promise.withResolvers<never>();
    const stopTimer = systemClock.after(readyTimeoutMs, () =>
      late.reject(new SealwireError('broker-failed', `${name} was not ready within ${readyTimeoutMs} ms.`)),
    );
    const died = server.exited.then((exit) => {
      throw diedError(name, exit);
    });
    try {
      await Promise.race([server.#ready.promise, died, late.promise]);
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    } finally {
      stopTimer();
      died.catch(() => {});
      late.promise.catch(() => {});
    }
  }

  /** Its process id; undefined where it could not be run. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends it, by force where it takes too long; idempotent, never rejects. */
  async stop(): Promise<void> {
    const ask = (): boolean => this.#child.kill('SIGTERM');
    ask();
    // Mosquitto forgets a signal that comes just before its loop begins.
    const asking = setInterval(ask, ASK_AGAIN_MS);
    const stopTimer = systemClock.after(this.#stopTimeoutMs, () => this.#child.kill('SIGKILL'));
    await this.exited;
    clearInterval(asking);
    stopTimer();
  }

  #read(stream: Readable | null, { isReady }: ChildServerOptions): void {
    if (!stream) return;
    createInterface({ input: stream }).on('line', (line) => {
      this.log.add(line);
      try {
        if (isReady(line)) this.#ready.resolve();
      } catch (error) {
        this.#ready.reject(error);
      }
    });
  }

  async #ended(release: () => void, directory: string | undefined): Promise<ServerExit> {
    const closed = Promise.withResolvers<void>();
    let stopTimer = (): void => {};
    // A program that cannot be run has no other end than its error.
    this.#child.once('close', closed.resolve).once('error', () => {
      if (this.#child.pid === undefined) closed.resolve();
    });
    this.#child.once('exit', () => {
      // A program that it left behind may keep its output open.
      stopTimer = systemClock.after(LAST_OUTPUT_TIMEOUT_MS, closed.resolve);
    });
    await closed.promise;
    stopTimer();
    release();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true }).catch(() => {});
    return { code: this.#child.exitCode, signal: this.#child.signalCode, lastWords: this.log.lastWords };
  }
}

/** What to say of a server that ended by itself. */
export function diedError(name: string, { code, signal, lastWords }: ServerExit): SealwireError {
  const how = signal === null ? `exit code ${code}` : signal;
  return new SealwireError('broker-failed', `${name} ended (${how}): ${lastWords || 'it said nothing'}`, {
    hint: 'With --log `sealwire broker` shows all that it says.',
  });
}

/** Sees to it that `child` does not outlive this process; the result ends that. */
function guard(child: ChildProcess, directory = ''): () => void {
  if (child.pid === undefined || process.platform === 'win32') return () => {};
  const watcher = spawn('/bin/sh', ['-c', GUARD, 'sh', String(child.pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watcher.on('error', () => {}).unref();
  watcher.stdin.on('error', () => {});
  // Neither may keep this process alive.
  if (watcher.stdin instanceof Socket) watcher.stdin.unref();
  return () => watcher.kill('SIGKILL');
}
