import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));

/** What keeps the build from being published; one line each. */
function faults(): string[] {
  const found: string[] = [];
  const manifest: unknown = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  for (const file of targets(manifest)) {
    if (file.startsWith('./dist/') && !existsSync(root + file)) found.push(`package.json names ${file}, not built`);
  }
  for (const file of globSync('dist/**/*.test.*', { cwd: root })) found.push(`${file} is a test`);
  for (const file of globSync('dist/**/*.js', { cwd: root })) {
    // Node refuses TypeScript below node_modules.
    const specifier = /(?:from|import)\s*\(?\s*['"](\.[^'"]*\.ts)['"]/.exec(readFileSync(root + file, 'utf8'))?.[1];
    if (specifier) found.push(`${file} imports ${specifier}`);
  }
  return found;
}

/** Every path that a manifest's `exports` lead to. */
function targets(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('./') ? [value] : [];
  return typeof value === 'object' && value ? Object.values(value).flatMap(targets) : [];
}

rmSync(`${root}dist`, { recursive: true, force: true });
const compiled = spawnSync(process.execPath, [tsc, '-b', '--force'], { cwd: root, stdio: 'inherit' });
const found = compiled.status === 0 ? faults() : ['the sources do not compile'];
for (const line of found) process.stderr.write(`build: ${line}.\n`);
process.exitCode = found.length > 0 ? 1 : 0;
