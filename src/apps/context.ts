import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type AppConsole, createConsole } from './console.ts';

/** What every command family gets beside its own arguments. */
export interface Context {
  /** The directory with this identity's files: `--home`, else SEALWIRE_HOME, else `~/.sealwire`; absolute. */
  readonly home: string;
  /** True under `--json`: results as JSON on standard output, nothing for people there. */
  readonly json: boolean;
  readonly console: AppConsole;
  /** Aborted by Ctrl-C, by SIGTERM and when nobody reads standard output any more: close cleanly and return. */
  readonly signal: AbortSignal;
  /** Waits for work that leaves nothing to be closed: a signal meanwhile ends the process at once. */
  interruptible<T>(work: Promise<T>): Promise<T>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The global options as they stand on the command line. */
export interface GlobalOptions {
  readonly home?: string;
  readonly json?: boolean;
}

/** A context over this process; `options` is asked late, because commands are registered before arguments are read. */
export function processContext(options: () => GlobalOptions): Context {
  const abort = new AbortController();
  endOnSignals(abort);
  endWithReader(abort);
  const { env } = process;
  const appConsole = createConsole(process.stdout, process.stderr, env);
  return {
    get home() {
      return resolve(options().home ?? (env['SEALWIRE_HOME'] || join(homedir(), '.sealwire')));
    },
    get json() {
      return options().json === true;
    },
    console: appConsole,
    signal: abort.signal,
    interruptible: (work) => interruptible(abort.signal, work),
    env,
  };
}

/** Resolves once `signal` is aborted. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

function endOnSignals(abort: AbortController): void {
  for (const [name, number] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      // Who asks twice does not want to wait for a clean end.
      if (abort.signal.aborted) process.exit(128 + number);
      abort.abort(name);
    });
  }
}

async function interruptible<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const exit = (): never => process.exit(128 + (signal.reason === 'SIGTERM' ? SIGNALS.SIGTERM : SIGNALS.SIGINT));
  if (signal.aborted) exit();
  signal.addEventListener('abort', exit);
  try {
    return await work;
  } finally {
    signal.removeEventListener('abort', exit);
  }
}

/** `sealwire … | head` ends quietly; what cannot end by itself in this time is ended. */
const READER_GONE_MS = 2000;

function endWithReader(abort: AbortController): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    abort.abort('EPIPE');
    setTimeout(() => process.exit(), READER_GONE_MS).unref();
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
