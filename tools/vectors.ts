import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** The chapter of spec/ that each module of tools/vectors/ belongs to. */
const CHAPTERS: Readonly<Record<string, string>> = {
  identity: '1-identity',
  handshake: '2-handshake',
  frames: '3-frames',
  channels: '4-channels',
  ledger: '6-ledger',
};

const MODULES = new URL('./vectors/', import.meta.url);
const VECTORS = new URL('../vectors/', import.meta.url);

interface Generator {
  generate(): unknown;
}

/** Where each file of vectors/ should stand, and what it should hold. */
async function generateAll(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const module of readdirSync(MODULES).toSorted()) {
    const chapter = CHAPTERS[module.replace(/\.ts$/, '')];
    if (!chapter) continue;
    const generator: Generator = await import(new URL(module, MODULES).href);
    files.set(`${chapter}.json`, `${JSON.stringify(await generator.generate(), null, 2)}\n`);
  }
  return files;
}

function differences(files: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  for (const [file, text] of files) {
    const path = new URL(file, VECTORS);
    if (!existsSync(path)) found.push(`vectors/${file} is missing`);
    else if (readFileSync(path, 'utf8') !== text) found.push(`vectors/${file} differs from what the code gives`);
  }
  const kept = existsSync(VECTORS) ? readdirSync(VECTORS) : [];
  for (const file of kept) {
    if (file.endsWith('.json') && !files.has(file)) found.push(`vectors/${file} has no generator in tools/vectors/`);
  }
  return found;
}

const check = process.argv.includes('--check');
const files = await generateAll();
if (check) {
  const found = differences(files);
  for (const line of found) process.stderr.write(`${line}; \`npm run vectors\` writes them anew.\n`);
  process.exitCode = found.length > 0 ? 1 : 0;
} else {
  for (const [file, text] of files) writeFileSync(new URL(file, VECTORS), text);
  process.stdout.write(`${[...files.keys()].join(', ')}\n`);
}
