import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findProgram } from '../src/node/programs.ts';
import { installByApt } from './servers/install.ts';

/** Programs of others that tests talk to, and the Debian packages that bring them. */
const SERVERS: Readonly<Record<string, string>> = {
  mosquitto: 'mosquitto',
  mosquitto_sub: 'mosquitto-clients',
  'nats-server': 'nats-server',
};

function missingPrograms(): string[] {
  return Object.keys(SERVERS).filter((program) => findProgram(program) === undefined);
}

function packagesOf(programs: readonly string[]): string {
  return programs.map((program) => SERVERS[program]).join(' ');
}

/** One line for whoever runs the tests, or undefined where all is there. With CI=true what is missing is a failure. */
function prepare(): string | undefined {
  const missing = missingPrograms();
  if (missing.length === 0) return undefined;
  const names = missing.join(', ');
  const remedy = `Debian: apt-get install ${packagesOf(missing)}`;
  if (process.env['CI'] !== 'true') return `Not tested, because they are not installed: ${names} (${remedy}).`;
  process.exitCode = 1;
  const apt = findProgram('apt-get');
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || apt === undefined) {
    return `With CI=true nothing may be left out, but these are not installed: ${names} (${remedy}).`;
  }
  const complaint = installByApt(packagesOf(missing).split(' '), (args) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const { status, stdout, stderr } = spawnSync(apt, args, { env, encoding: 'utf8', timeout: 600_000 });
    return { status, output: `${stdout}${stderr}` };
  });
  const left = missingPrograms();
  if (left.length > 0)
    return `With CI=true nothing may be left out, but ${left.join(', ')} cannot be installed: ${complaint}`;
  process.exitCode = 0;
  return `Installed for the tests: ${packagesOf(missing)}.`;
}

const line = prepare();
if (line !== undefined) process.stderr.write(`servers: ${line}\n`);
