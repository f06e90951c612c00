import { rmSync, writeFileSync } from 'node:fs';

/** What a run of apt-get came to. */
export interface AptRun {
  readonly status: number | null;
  readonly output: string;
}

/** Asked by packages before they start a service (policy-rc.d of Debian's invoke-rc.d): 101 forbids it. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY = '#!/bin/sh\nexit 101\n';
const INSTALL = ['install', '-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'] as const;

/**
 * Installs Debian packages without starting what they bring; fetches the lists of packages first where it does not go
 * without. Gives the last line of what apt-get said where it failed, else an empty string.
 */
export function installByApt(
  packages: readonly string[],
  apt: (args: readonly string[]) => AptRun,
  policyFile: string = POLICY_FILE,
): string {
  const isOurs = forbidServices(policyFile);
  try {
    if (apt([...INSTALL, ...packages]).status === 0) return '';
    apt(['update', '-q']);
    const { status, output } = apt([...INSTALL, ...packages]);
    return status === 0 ? '' : lastLine(output);
  } finally {
    if (isOurs) rmSync(policyFile, { force: true });
  }
}

/** False where the machine has a rule of its own, which stays. */
function forbidServices(policyFile: string): boolean {
  try {
    writeFileSync(policyFile, POLICY, { mode: 0o755, flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
