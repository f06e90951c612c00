import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isSealwireError } from '../../src/core/errors.ts';
import { formatId } from '../../src/core/identity/id.ts';
import { type Ended, runSealwire } from '../support/child.ts';
import { Writer } from '../support/ledger.ts';
import { attack, type LedgerFile, ledgerFile, verifyFile } from '../support/ledger-file.ts';

function homeIn(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sealwire-home-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'home');
}

function assertRefused({ code, stderr }: Ended, exitCode: number, sentence: RegExp): void {
  assert.equal(code, exitCode, stderr);
  assert.match(stderr, sentence);
  assert.doesNotMatch(stderr, /\n\s+at |node:internal|\.ts:\d/);
}

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function notaryIdOf({ path }: LedgerFile): Promise<string> {
  const { notaryId } = await verifyFile(path, 'fast');
  return formatId(notaryId ?? new Uint8Array(32));
}

test('an auditor verifies a ledger, remembers it, and finds it rewritten later', async (t) => {
  const file = await ledgerFile(t, 12);
  const home = homeIn(t);
  const run = (...args: string[]): Promise<Ended> => runSealwire(['--home', home, ...args]);
  assertRefused(await run('ledger', 'verify'), 3, /There is no ledger at .*ledger\.db\. \[ledger-missing\]/);
  assert.equal((await run('init', 'auditor')).code, 0);
  assertRefused(await run('ledger', 'verify', file.path, '--incremental'), 2, /no checkpoint.*\[usage\]/);

  const first = await run('ledger', 'verify', file.path);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^valid {2}plant\.example\/ledger, verified in full\n/);
  assert.match(first.stdout, /not pinned/);
  assert.match(first.stdout, /16 entries in 6 blocks, 22 signatures/);
  assert.equal(readdirSync(join(home, 'checkpoints')).length, 1);

  assert.equal((await run('trust', 'add', 'the-notary', await notaryIdOf(file))).code, 0);
  await file.withNotary(async (notary) => notary.submitMany(await file.writer.labels(3)));
  const second = await run('ledger', 'verify', file.path, '--incremental', '--notary', 'the-notary');
  assert.match(second.stdout, /^valid .* from entry 16 on\n/);
  assert.match(second.stdout, /\(the-notary\)/);
  assert.match(second.stdout, /Entries 0 to 15 were not read again/);
  const json = await run('ledger', 'verify', file.path, '--fast', '--json');
  assert.deepEqual(
    lines(json.stdout).map(({ verdict, entries }) => [verdict, entries]),
    [['valid', 19]],
  );

  await file.withNotary(async (notary) => notary.submitMany(await file.writer.labels(2)));
  const head = await run('ledger', 'head', file.path);
  assert.match(head.stdout, /21 entries[\s\S]*begins {2}with the 19 entries that this home remembers/);
  const forged = file.copy();
  attack(forged, ({ run: edit }) => edit('UPDATE entry SET leaf = zeroblob(32) WHERE idx = 6'));
  assertRefused(await run('ledger', 'head', forged), 1, /does not begin with the 19 .*\[checkpoint-mismatch\]/);

  attack(file.path, ({ run: edit }) => {
    edit('DELETE FROM entry WHERE idx >= 16');
    edit('DELETE FROM block WHERE height >= 6');
    edit('UPDATE head SET height = 5, size = 16, root = (SELECT root FROM block WHERE height = 5)');
  });
  for (const mode of ['--full', '--fast', '--incremental']) {
    const cut = /Cut off: the ledger has 16 entries, the checkpoint says 19\. \[checkpoint-mismatch\]/;
    assertRefused(await run('ledger', 'verify', file.path, mode), 1, cut);
  }
  assertRefused(await run('ledger', 'verify', file.path, '--notary', 'auditor'), 1, /\[ledger-broken\]/);
});

test('what is broken is named, on standard error and in JSON', async (t) => {
  const file = await ledgerFile(t, 12);
  attack(file.path, ({ run }) => run("UPDATE entry SET bytes = x'00' WHERE idx = 10"));
  const run = (...args: string[]): Promise<Ended> => runSealwire(['--home', homeIn(t), ...args]);
  const broken = await run('ledger', 'verify', file.path);
  assertRefused(
    broken,
    1,
    /does not hold\. Block 4, entry 10: stored bytes no longer hash to its leaf\. \[ledger-broken\]/,
  );
  assert.match(broken.stdout, /^broken /);
  const json = await run('ledger', 'verify', file.path, '--fast', '--json');
  assert.equal(json.code, 1);
  const [report] = lines(json.stdout);
  assert.deepEqual([report?.['verdict'], JSON.stringify(report?.['broken']).includes('"entry":10')], ['broken', true]);
  assert.match(json.stderr, /"code":"ledger-broken"/);

  attack(file.path, ({ run: edit }) => edit("UPDATE entry SET bytes = x'00' WHERE idx = 0"));
  assertRefused(await run('ledger', 'verify', file.path), 1, /Block 0, entry 0: stored bytes/);
  assertRefused(await run('ledger', 'head', file.path), 1, /not the policy of a notary/);
  assertRefused(await run('ledger', 'show', file.path), 1, /Entry 0 cannot be read/);
});

test('a ledger is shown with who, what, status, conflicts and gaps', async (t) => {
  const file = await ledgerFile(t, 5);
  const receipt = await new Writer(file.bob, 2).deliveryReceipt(file.labels.slice(0, 2));
  const twice = await new Writer(file.alice).label({ seq: 3, topic: 'x' });
  await file.withNotary(async (notary) => {
    await notary.submit(receipt);
    await assert.rejects(notary.submit(twice), (error) => isSealwireError(error, 'conflict'));
    await notary.submit(await new Writer(file.alice).label({ seq: 7 }));
  });
  const home = homeIn(t);
  const shown = await runSealwire(['--home', home, 'ledger', 'show', file.path]);
  assert.equal(shown.code, 0, shown.stderr);
  const text = shown.stdout.trim().split('\n');
  assert.match(text[0] ?? '', /^0 {2}\S+Z {2}ledger plant\.example\/ledger of notary {2}SHA256:/);
  assert.match(text[4] ?? '', /^4 {2}\S+Z {2}alice {2}plant\/temperature {2}[0-9a-f]{64} {2}confirmed by bob$/);
  assert.match(text[6] ?? '', / logged$/);
  assert.match(text[9] ?? '', /^9 .*delivery-receipt/);
  assert.match(text[10] ?? '', /conflict {2}alice signed two labels for seq 3: entry 7 is the other/);
  assert.equal(text.at(-1), 'gap  of alice: seqs 5 to 6 are not in the ledger');

  const json = await runSealwire(['ledger', 'show', file.path, '--json', '--home', home]);
  const objects = lines(json.stdout);
  assert.deepEqual(objects.map(({ kind }) => kind).slice(0, 5), [
    'policy',
    'identity',
    'identity',
    'identity',
    'message',
  ]);
  assert.deepEqual([objects[4]?.['status'], objects[6]?.['status']], ['confirmed', 'logged']);
  const some = await runSealwire([
    'ledger',
    'show',
    file.path,
    '--from',
    '5',
    '--limit',
    '2',
    '--json',
    '--home',
    home,
  ]);
  assert.deepEqual(
    lines(some.stdout).map(({ entry }) => entry),
    [5, 6],
  );
});

test('the head of a ledger is shown', async (t) => {
  const file = await ledgerFile(t, 5);
  const { stdout } = await runSealwire(['ledger', 'head', file.path, '--json', '--home', homeIn(t)]);
  const [head] = lines(stdout);
  assert.deepEqual([head?.['height'], head?.['treeSize'], head?.['signed']], [3, 9, true]);
  const text = await runSealwire(['ledger', 'head', file.path]);
  assert.match(text.stdout, /9 entries in 4 blocks/);
});

test('bad files and flags get one sentence', async (t) => {
  const file = await ledgerFile(t, 1);
  const home = homeIn(t);
  const run = (...args: string[]): Promise<Ended> => runSealwire(['--home', home, ...args]);
  const junk = join(home, '..', 'junk.db');
  writeFileSync(junk, 'no ledger at all '.repeat(500));
  for (const command of ['verify', 'show', 'head']) {
    assertRefused(await run('ledger', command, junk), 1, /not a database.*\[ledger-broken\]/);
    assertRefused(await run('ledger', command, join(home, 'none.db')), 3, /no ledger at.*\[ledger-missing\]/);
  }
  assertRefused(await run('ledger', 'verify', file.path, '--full', '--fast'), 2, /exclude each other/);
  assertRefused(await run('ledger', 'verify', file.path, '--notary', 'nobody'), 1, /\[identity-unknown\]/);
  assertRefused(await run('ledger', 'verify', file.path, '--notary', 'SHA256:x'), 1, /is not an id/);
  assertRefused(await run('ledger', 'show', file.path, '--from', '-1'), 2, /--from/);
  assert.ok(!existsSync(home));
});
