import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, runNode } from '../../test/support/child.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { installByApt } from './install.ts';

test('packages are installed at once where that goes, and nothing that they bring is started', async (t) => {
  const policyFile = join(await temporaryDirectory(t), 'policy-rc.d');
  const runs: string[] = [];
  const complaint = installByApt(
    ['mosquitto', 'nats-server'],
    (args) => {
      assert.match(readFileSync(policyFile, 'utf8'), /exit 101/);
      assert.equal(statSync(policyFile).mode & 0o111, 0o111);
      runs.push(args.join(' '));
      return { status: 0, output: '' };
    },
    policyFile,
  );
  assert.equal(complaint, '');
  assert.equal(runs.length, 1);
  assert.match(runs[0] ?? '', /^install -y .* mosquitto nats-server$/);
  assert.ok(!existsSync(policyFile));
});

test('where that does not go the lists are fetched first, and what apt-get says in the end is told', async (t) => {
  const policyFile = join(await temporaryDirectory(t), 'policy-rc.d');
  const runs: (string | undefined)[] = [];
  const failing = (args: readonly string[]) => {
    runs.push(args[0]);
    return { status: 100, output: 'Reading lists\nE: Unable to locate package x\n' };
  };
  assert.equal(installByApt(['x'], failing, policyFile), 'E: Unable to locate package x');
  assert.deepEqual(runs, ['install', 'update', 'install']);
  assert.ok(!existsSync(policyFile));
  let installs = 0;
  const second = ([command]: readonly string[]) => {
    installs += command === 'install' ? 1 : 0;
    return { status: installs === 1 ? 100 : 0, output: '' };
  };
  assert.equal(installByApt(['x'], second, policyFile), '');
});

test('a rule that the machine has already stays', async (t) => {
  const policyFile = join(await temporaryDirectory(t), 'policy-rc.d');
  writeFileSync(policyFile, 'its own');
  installByApt(['x'], () => ({ status: 0, output: '' }), policyFile);
  assert.equal(readFileSync(policyFile, 'utf8'), 'its own');
});

test('what is missing is one line, and with CI=true a failure', async () => {
  // A PATH on which there is no mosquitto_sub, and no apt-get either.
  const run = (CI: string) => runNode([join(ROOT, 'tools/servers.ts')], { env: { PATH: '/nowhere', CI } });
  const told = await run('');
  assert.deepEqual([told.code, told.stdout], [0, '']);
  assert.match(
    told.stderr,
    /^servers: Not tested, .*mosquitto_sub.*\(Debian: apt-get install .*mosquitto-clients.*\)\.\n$/,
  );
  const failed = await run('true');
  assert.deepEqual([failed.code, failed.stdout], [1, '']);
  assert.match(failed.stderr, /^servers: With CI=true .*mosquitto_sub.*\n$/);
});
