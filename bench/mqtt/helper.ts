import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a helper process does for whoever started it, by name; what goes in and out can be cloned. */
// biome-ignore lint/suspicious/noExplicitAny: each task has its own request
export type Tasks = Readonly<Record<string, (request: any) => unknown>>;

interface Question {
  readonly id: number;
  readonly task: string;
  readonly request: unknown;
}

type Answer = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

/** A Node.js of its own that does tasks, so that a writer, a reader and their broker each have a process. */
export class Helper<T extends Tasks> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #exited = Promise.withResolvers<void>();
  #count = 0;

  /** Starts the module at `file`, which calls {@link serve}. */
  constructor(file: URL) {
    this.#child = fork(fileURLToPath(file), [], { serialization: 'advanced' });
    this.#child.on('message', (answer) => this.#answered(answer as Answer));
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`a helper ended: ${code ?? signal}`));
      this.#waiting.clear();
      this.#exited.resolve();
    });
  }

  /** Has one task done; rejects with what it threw. */
  ask<K extends keyof T & string>(task: K, request: Parameters<T[K]>[0]): Promise<Awaited<ReturnType<T[K]>>> {
    const id = this.#count++;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#child.send({ id, task, request } satisfies Question);
    return answer.promise as Promise<Awaited<ReturnType<T[K]>>>;
  }

  /** Stops the process in its tracks, as a device that hangs; its connections stay open. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  /** Lets it go on. */
  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGCONT');
    this.#child.disconnect();
    await this.#exited.promise;
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer.result);
  }
}

/** Does the tasks that the process which started this one asks for, and ends with it. */
export function serve(tasks: Tasks): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (question) => void answer(tasks, question as Question));
}

async function answer(tasks: Tasks, { id, task, request }: Question): Promise<void> {
  try {
    process.send?.({ id, result: await tasks[task]?.(request) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

/** What this process has used of all processors so far. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
