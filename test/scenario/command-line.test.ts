import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { type Ended, ROOT, runNode, runSealwire } from '../support/child.ts';

const SAMPLE = `${ROOT}test/support/sample-cli.ts`;
const sample = (...args: string[]): Promise<Ended> => runNode([SAMPLE, ...args]);

/** One sentence with its code, a hint, the exit code, nothing on standard output, and no stack trace. */
function assertRefused(ended: Ended, exitCode: number, sentence: RegExp): void {
  assert.equal(ended.code, exitCode, ended.stderr);
  assert.equal(ended.stdout, '');
  assert.match(ended.stderr, sentence);
  assert.match(ended.stderr, /^sealwire: [^\n]+\. \[[a-z-]+\]\n( {2}[^\n]+\n)?$/);
  assert.doesNotMatch(ended.stderr, /\n\s+at |node:internal|\.ts:\d/);
}

test('what is wrong on the command line gets one sentence, a hint and exit code 2', async () => {
  assertRefused(await runSealwire(['fly']), 2, /fly/);
  assertRefused(await runSealwire(['--jsonn']), 2, /Unknown option '--jsonn'[\s\S]*--json/);
  assertRefused(await runSealwire(['--home']), 2, /'--home <dir>' argument missing/);
  assertRefused(await runSealwire(['--home', ' ']), 2, /'--home <dir>' argument ' ' is invalid\. It is empty/);
});

test('and so it is for every command', async () => {
  assertRefused(await sample('gret', 'Ada'), 2, /Unknown command 'gret'[\s\S]*greet/);
  assertRefused(await sample('greet'), 2, /Missing required argument 'name'/);
  assertRefused(await sample('greet', 'Ada', 'Bob'), 2, /Too many arguments/);
  assertRefused(await sample('greet', 'Ada', '--loud'), 2, /Unknown option '--loud'/);
  assertRefused(await sample('greet', 'Ada', '--times', '10'), 2, /'10' is invalid\. It is not a number from 1 to 9/);
});

test('under --json an error is one line of JSON on standard error', async () => {
  for (const args of [
    ['--json', 'refuse'],
    ['refuse', '--json'],
  ]) {
    const ended = await sample(...args);
    assert.equal(ended.code, 1);
    assert.equal(ended.stdout, '');
    assert.deepEqual(JSON.parse(ended.stderr), {
      error: { code: 'mac-invalid', message: 'Frame 7 does not hold.', hint: 'Ask for it again.' },
    });
  }
  for (const args of [['--json', 'gret'], ['--json']]) {
    const ended = await sample(...args);
    assert.equal(ended.code, 2);
    assert.equal(JSON.parse(ended.stderr).error.code, 'usage');
  }
});

test('a fault of our own is reported as such, and shows where only on demand', async () => {
  assertRefused(await sample('crash'), 70, /undefined is not a function\. \[internal\]/);
  assertRefused(await sample('crash-later'), 70, /lost promise/);
  const debugged = await runNode([SAMPLE, 'crash'], { env: { SEALWIRE_DEBUG: '1' } });
  assert.equal(debugged.code, 70);
  assert.match(debugged.stderr, /sample-cli\.ts:\d+/);
});

test('--help tells the commands and the exit codes; no command at all tells them too, with exit code 2', async () => {
  const help = await sample('--help');
  assert.equal(help.code, 0);
  assert.match(help.stdout, /greet[\s\S]*Exit codes:[\s\S]*70 {2}internal/);
  const bare = await sample();
  assert.equal(bare.code, 2);
  assert.match(bare.stderr, /greet/);
  const version = await runSealwire(['--version']);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('--home leads over SEALWIRE_HOME, wherever it stands', async () => {
  const env = { SEALWIRE_HOME: '/from/env' };
  assert.match((await runNode([SAMPLE, 'greet', 'Ada'], { env })).stdout, /of \/from\/env\n/);
  assert.match((await runNode([SAMPLE, 'greet', 'Ada', '--home', '/x'], { env })).stdout, /of \/x\n/);
  assert.match((await runNode([SAMPLE, '--home', '/x', 'greet', 'Ada'], { env })).stdout, /of \/x\n/);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} lets a command close cleanly`, async () => {
    const child = spawn(process.execPath, [SAMPLE, 'wait'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    await once(child.stdout, 'data');
    child.kill(signal);
    const [code] = await once(child, 'close');
    assert.equal(code, 0);
    assert.equal(stderr, `ended by ${signal}\n`);
  });
}

test('a reader that goes away ends the command quietly', async () => {
  const child = spawn(process.execPath, [SAMPLE, 'flood'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  await once(child.stdout, 'data');
  child.stdout.destroy();
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  assert.equal(stderr, '');
});

test('output that nobody can keep is told as what it is', { skip: process.platform !== 'linux' }, async () => {
  const shell = spawn('/bin/sh', ['-c', '"$0" "$@" > /dev/full', process.execPath, SAMPLE, 'greet', 'Ada']);
  let stderr = '';
  shell.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(shell, 'close');
  assert.deepEqual([code, /\[file-unwritable\]/.test(stderr), /disk is full/.test(stderr)], [3, true, true], stderr);
});
