import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A child process that says lines, can be killed at any moment, and starts anew whenever it has ended. */
export class Mortal {
  readonly #script: string;
  readonly #args: readonly string[];
  readonly #onLine: (line: string) => void;
  #child: ChildProcessWithoutNullStreams;
  #ready = Promise.withResolvers<void>();
  #over = false;
  #stderr = '';

  /** `script` lies beside this file; it says `ready` once it is. */
  constructor(script: string, args: readonly string[], onLine: (line: string) => void = () => {}) {
    this.#script = fileURLToPath(new URL(script, import.meta.url));
    this.#args = args;
    this.#onLine = onLine;
    this.#child = this.#start();
  }

  /** What the living one and those before it said on standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves when a living one is ready. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Says a line to the living one, if it still hears it. */
  say(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Kills the living one and resolves when it is dead; the next one starts at once. */
  async kill(): Promise<void> {
    const child = this.#child;
    const dead = once(child, 'close');
    child.kill('SIGKILL');
    await dead;
  }

  /** The living one does nothing more until {@link thaw}, and its connections stay open. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Kills it for good. */
  async end(): Promise<void> {
    this.#over = true;
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = spawn(process.execPath, [this.#script, ...this.#args], { stdio: 'pipe' });
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-10_000);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') this.#ready.resolve();
      else this.#onLine(line);
    });
    child.once('close', () => {
      // Those who wait for one that never got ready wait for the next one.
      const before = this.#ready;
      this.#ready = Promise.withResolvers();
      before.resolve(this.#ready.promise);
      if (!this.#over) this.#child = this.#start();
    });
    return child;
  }
}
