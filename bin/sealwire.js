#!/usr/bin/env node
import { spawn } from 'node:child_process';
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
  runUnder(carriedNode);
} else {
  process.stderr.write(
    `sealwire: this needs Node.js 24 or newer, but it is running on ${process.version}; install Node.js 24 first.\n`,
  );
  process.exitCode = 69;
}

function runUnder(node) {
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  // Ctrl-C reaches the child by itself, since both are in the terminal's group; this process only outlives it.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    process.stderr.write(`sealwire: ${carriedNode} cannot be started (${error.code}); run \`npm ci\` again.\n`);
    process.exitCode = 69;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal === 'SIGINT' ? 2 : 15);
  });
}
