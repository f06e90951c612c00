import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ROOT } from './child.ts';

/** A command at work in a process of its own, talked to line by line. */
export class RunningCommand implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #stderr = '';

  /** `env` comes on top of this process's. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [`${ROOT}bin/sealwire.js`, ...args], {
      stdio: 'pipe',
      env: { ...process.env, ...env },
    });
    this.#child.stdin.on('error', () => {});
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** All that it said on standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Its first line of standard error; throws where it ends before. */
  async note(): Promise<string> {
    await this.noted(/\n/);
    return this.#stderr.slice(0, this.#stderr.indexOf('\n'));
  }

  /** Waits until standard error says this; throws where it ends before. */
  async noted(words: RegExp): Promise<void> {
    while (!words.test(this.#stderr)) {
      const more = once(this.#child.stderr, 'data');
      const ended = once(this.#child, 'close').then(() => Promise.reject(new Error('the command ended')));
      await Promise.race([more, ended]);
    }
  }

  /** Its next line of standard output; throws where it ends before. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the command ended: ${this.#stderr}`);
    return value;
  }

  /** Its next line, as JSON. */
  async json(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.line());
  }

  /** Types a line. */
  type(text: string): void {
    this.#child.stdin.write(`${text}\n`);
  }

  /** Closes its standard input. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Sends a signal and waits for nothing. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends it as Ctrl-C does, or waits where it has ended; gives its exit code. */
  async interrupt(): Promise<number | null> {
    this.#child.kill('SIGINT');
    return await this.ended();
  }

  /** Waits for its end; gives its exit code. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close');
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended();
  }
}
