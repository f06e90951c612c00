#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = new URL('.', import.meta.url);
const source = new URL('../src/apps/main.ts', here);
const built = new URL('../dist/apps/main.js', here);
const carriedNode = fileURLToPath(new URL('../node_modules/.bin/node', here));

if (Number(process.versions.node.split('.')[0]) >= 24) {
  // A checkout runs its source, so that no stale build is ever taken for it.
  await import(existsSync(source) ? source.href : built.href);
} else if (existsSync(carriedNode)) {
  const run = spawnSync(carriedNode, process.argv.slice(1), { stdio: 'inherit' });
  process.exitCode = run.status ?? 70;
} else {
  process.stderr.write(
    `sealwire: this needs Node.js 24 or newer, but it is running on ${process.version}; install Node.js 24 first.\n`,
  );
  process.exitCode = 69;
}
