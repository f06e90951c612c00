import { spawnSync } from 'node:child_process';

const version = spawnSync('openssl', ['version'], { encoding: 'utf8' });

/** Why tests against the real `openssl` are left out here, or false where it is on the PATH. */
export const noOpenssl: string | false =
  version.status === 0 && version.stdout.startsWith('OpenSSL 3') ? false : 'no OpenSSL 3 on the PATH';

/** What `openssl` prints to standard output; throws with what it complains about. */
export function openssl(args: readonly string[], input = ''): string {
  const run = spawnSync('openssl', args, { encoding: 'utf8', input, timeout: 20_000 });
  if (run.status === 0) return run.stdout;
  throw new Error(`openssl ${args.join(' ')}: ${run.stderr}${run.stdout}`);
}
