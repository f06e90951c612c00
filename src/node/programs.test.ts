import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join, relative } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { findProgram } from './programs.ts';

test('a program is found on the PATH, in its order, where it can be run', async (t) => {
  const root = await temporaryDirectory(t);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => join(root, name)) as [string, string, string];
  for (const directory of [a, b, c]) await mkdir(directory);
  const name = 'sealwire-no-such-program';
  await mkdir(join(a, name));
  await writeFile(join(b, name), '');
  const path = [a, b, c].join(delimiter);
  assert.equal(findProgram(name, path), undefined);
  await chmod(join(b, name), 0o755);
  await writeFile(join(c, name), '', { mode: 0o755 });
  assert.equal(findProgram(name, path), join(b, name));
});

test('relative parts of the PATH are passed over', async (t) => {
  const root = await temporaryDirectory(t);
  await writeFile(join(root, 'sealwire-no-such-program'), '', { mode: 0o755 });
  const path = ['', '.', relative(process.cwd(), root)].join(delimiter);
  assert.equal(findProgram('sealwire-no-such-program', path), undefined);
});
