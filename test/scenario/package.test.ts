import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '../support/child.ts';

const run = promisify(execFile);
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` };
const project = mkdtempSync(join(tmpdir(), 'sealwire-package-'));
const modules = join(project, 'node_modules');

process.on('exit', () => rmSync(project, { recursive: true, force: true }));

/** Packs the checkout, and installs it in a fresh project without asking the registry: dependencies are linked. */
async function installPacked(): Promise<string[]> {
  const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', project], {
    cwd: ROOT,
    env,
  });
  const [packed] = JSON.parse(stdout.slice(stdout.search(/^\[/m)));
  mkdirSync(join(modules, '.bin'), { recursive: true });
  await run('tar', ['-xzf', join(project, packed.filename), '-C', modules]);
  await run('mv', [join(modules, 'package'), join(modules, 'sealwire')]);
  const manifest = JSON.parse(readFileSync(join(modules, 'sealwire', 'package.json'), 'utf8'));
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  symlinkSync(`../sealwire/${manifest.bin.sealwire}`, join(modules, '.bin', 'sealwire'));
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }');
  return packed.files.map((file: { path: string }) => file.path);
}

let files: string[] = [];
before(async () => {
  files = await installPacked();
});

test('the tarball holds what it needs and nothing of the workshop', () => {
  for (const needed of ['package.json', 'README.md', 'LICENSE', 'bin/sealwire.js', 'dist/apps/sealwire.d.ts']) {
    assert.ok(files.includes(needed), `${needed} is missing`);
  }
  const strangers = files.filter((file) => !/^(bin|dist)\/|^[A-Z]+(\.md)?$|^package\.json$/.test(file));
  assert.deepEqual(strangers, []);
  assert.deepEqual(
    files.filter((file) => /\.test\.|\.tsbuildinfo$|(?<!\.d)\.ts$/.test(file)),
    [],
  );
});

test('a fresh project imports the library', async () => {
  writeFileSync(
    join(project, 'use.js'),
    `import { isSealwireError, SealwireError } from 'sealwire';
     console.log(isSealwireError(new SealwireError('usage', 'It works.')));`,
  );
  assert.equal((await run(process.execPath, ['use.js'], { cwd: project, env })).stdout, 'true\n');
});

test('a fresh project sees its types', async () => {
  const check = async (code: string): Promise<string> => {
    writeFileSync(
      join(project, 'use.ts'),
      `import { SealwireError } from 'sealwire';\nnew SealwireError('${code}', 'Typed.');\n`,
    );
    symlinkTypes();
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
    const lib = ['--lib', 'es2024,esnext.disposable,esnext.iterator'];
    try {
      await run(process.execPath, [tsc, ...flags, ...lib, 'use.ts'], { cwd: project, env });
      return '';
    } catch (error) {
      return typeof error === 'object' && error && 'stdout' in error ? String(error.stdout) : String(error);
    }
  };
  assert.equal(await check('usage'), '');
  assert.match(await check('no-such-code'), /use\.ts\(2,\d+\): error TS2345/);
});

test('a fresh project runs the command line tool', async () => {
  const { stdout } = await run('npx', ['--no-install', 'sealwire', '--help'], { cwd: project, env });
  assert.match(stdout, /Usage: sealwire/);
  assert.match(stdout, /Exit codes:/);
});

function symlinkTypes(): void {
  mkdirSync(join(modules, '@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) {
    try {
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}
