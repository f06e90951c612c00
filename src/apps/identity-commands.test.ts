import assert from 'node:assert/strict';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { createConsole } from './console.ts';
import { registerIdentity } from './identity-commands.ts';

/** Runs one command line and gives what it wrote to standard output and standard error. */
type Run = (json: boolean, ...args: string[]) => Promise<{ out: string; err: string }>;

async function runner(context: TestContext): Promise<Run> {
  const home = join(await temporaryDirectory(context), "o'home");
  return async (json, ...args) => {
    const [out, err] = [new PassThrough(), new PassThrough()];
    const program = new Command('sealwire').exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    const appConsole = createConsole(out, err, {});
    const { signal } = new AbortController();
    registerIdentity(program, { home, json, console: appConsole, signal, interruptible: (work) => work, env: {} });
    await program.parseAsync(args, { from: 'user' });
    return { out: String(out.read() ?? ''), err: String(err.read() ?? '') };
  };
}

test('people read lines and the next step', async (context) => {
  const run = await runner(context);
  const made = await run(false, 'init', "O'Brien", '--days', '7');
  assert.match(made.out, /^name {9}O'Brien\nid {11}SHA256:.{43}\ncertificate {2}self-signed, valid \S+ to \S+\nfile/);
  assert.match(made.err, /sealwire trust add 'O'\\''Brien' SHA256:.{43}\n$/);
  const nobody = await run(false, 'trust', 'list');
  assert.deepEqual([nobody.out, /Nobody is trusted yet/.test(nobody.err)], ['', true]);
  const id = `SHA256:${'A'.repeat(43)}`;
  assert.equal((await run(false, 'trust', 'add', 'bob', id)).out, `bob  ${id}  identity\n`);
  assert.equal((await run(false, 'trust', 'remove', 'bob')).out, 'bob is trusted no longer.\n');
});

test('scripts read one JSON object a line, and nothing else', async (context) => {
  const run = await runner(context);
  const made = await run(true, 'init', 'boiler');
  assert.equal(made.err, '');
  const shown = await run(true, 'id');
  assert.deepEqual(JSON.parse(made.out), JSON.parse(shown.out));
  assert.equal(JSON.parse(shown.out).certificate.status, 'valid');
  assert.deepEqual(await run(true, 'trust', 'list'), { out: '', err: '' });
  const id = `SHA256:${'A'.repeat(43)}`;
  await run(true, 'trust', 'add', 'bob', id);
  const listed = { name: 'bob', id, kind: 'identity', verifiedAt: null };
  assert.deepEqual(JSON.parse((await run(true, 'trust', 'list')).out), listed);
  assert.deepEqual(JSON.parse((await run(true, 'trust', 'remove', 'bob')).out), { removed: 'bob' });
});

test('a bad flag is refused before anything is made', async (context) => {
  const run = await runner(context);
  for (const args of [
    ['init'],
    ['init', ''],
    ['init', 'x', '--days', '0'],
    ['init', 'x', '--issuer', ''],
    ['trust', 'add', 'x'],
  ]) {
    await assert.rejects(run(false, ...args), { name: 'CommanderError' }, args.join(' '));
  }
  await assert.rejects(run(false, 'id'), { code: 'home-missing' });
});
