import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The checkout's root, with a slash at the end. */
export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url));

/** How a child process ended, and everything it said. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What {@link runNode} takes beside the arguments. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

/** Runs this Node with `args` to the end, without a terminal and without this process's SEALWIRE_ variables. */
export function runNode(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEALWIRE_')));
  const child = spawn(process.execPath, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...env, NODE_OPTIONS: '', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said.stderr += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ code, ...said }));
  });
}

/** Runs the command line tool as users do. */
export function runSealwire(args: readonly string[], options?: RunOptions): Promise<Ended> {
  return runNode([`${ROOT}bin/sealwire.js`, ...args], options);
}
