import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from './finding.ts';
import type { TextFile } from './texts.ts';

/** A fenced piece of a document. */
export interface Snippet {
  readonly path: string;
  /** Of its first line of content, from 1. */
  readonly line: number;
  readonly language: string;
  readonly lines: readonly string[];
}

const DOCUMENT = /^([A-Z]+|docs\/.*|spec\/.*)\.md$/;
const RUN_TIMEOUT_MS = 60_000;
/** Commands that a ts snippet may rely on: they only prepare homes, and end by themselves. */
const PREPARES = /^npx sealwire (--home \S+ )?(init|trust) /;

/** All fenced pieces of one document. */
export function snippetsOf({ path, text }: TextFile): Snippet[] {
  const snippets: Snippet[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [index, content] of text.split('\n').entries()) {
    const fence = /^\s*```(\w*)/.exec(content);
    if (!fence) open?.lines.push(content);
    else if (open) {
      snippets.push({ path, ...open });
      open = undefined;
    } else open = { language: fence[1] ?? '', line: index + 2, lines: [] };
  }
  return snippets;
}

/**
 * Runs what the documents promise: ts snippets are type-checked and run against this checkout, in a folder of their
 * own that stands for `/tmp`; commands in sh snippets must exist, with their options. `root` ends without a slash.
 */
export function checkSnippets(root: string, files: readonly TextFile[]): Finding[] {
  const documents = files.filter(({ path }) => DOCUMENT.test(path)).map(snippetsOf);
  const commands = new Commands(root);
  return documents.flatMap((snippets) => {
    const shell = snippets.filter(({ language }) => language === 'sh');
    const code = snippets.filter(({ language }) => language === 'ts');
    return [...shell.flatMap((snippet) => checkShell(snippet, commands)), ...checkCode(root, shell, code)];
  });
}

function checkShell({ path, line, lines }: Snippet, commands: Commands): Finding[] {
  return lines.flatMap((content, index) =>
    content
      .replace(/(^|\s)#.*/, '')
      .split(/&&|\||;/)
      .flatMap((command) => commands.faultsOf(command.trim()))
      .map((what) => ({ path, line: line + index, what })),
  );
}

/** What this checkout understands on a command line. */
class Commands {
  readonly #root: string;
  readonly #scripts: ReadonlySet<string>;
  readonly #helps = new Map<string, string | undefined>();

  constructor(root: string) {
    this.#root = root;
    const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const scripts = typeof manifest === 'object' && manifest && 'scripts' in manifest ? manifest.scripts : {};
    this.#scripts = new Set(Object.keys(scripts ?? {}));
  }

  faultsOf(command: string): string[] {
    const words = command.split(/\s+/).filter((word) => word !== 'npx');
    if (words[0] === 'sealwire') return this.#sealwireFaults(words.slice(1));
    if (words[0] !== 'npm') return [];
    const script = words[1] === 'run' ? words[2] : words[1];
    const isScript = words[1] === 'run' || script === 'start' || script === 'test';
    return isScript && !this.#scripts.has(script ?? '') ? [`package.json has no script “${script}”`] : [];
  }

  #sealwireFaults(words: readonly string[]): string[] {
    const plain = words
      .join(' ')
      .replace(/--home[ =]\S+/g, '')
      .split(/\s+/)
      .filter((word) => /^-|^[a-z]/.test(word));
    const options = plain.filter((word) => word.startsWith('-')).map((word) => word.replace(/=.*/, ''));
    const [first = '', second = ''] = plain.filter((word) => !word.startsWith('-'));
    const nested = this.#help(`${first} ${second}`.trim());
    const help = nested?.includes(`sealwire ${first} ${second}`) ? nested : this.#help(first);
    if (help === undefined) return [`sealwire has no command “${first}”`];
    return options.filter((option) => !help.includes(option)).map((option) => `“${first}” has no option ${option}`);
  }

  #help(command: string): string | undefined {
    if (!this.#helps.has(command)) {
      const args = [join(this.#root, 'bin/sealwire.js'), ...command.split(' ').filter(Boolean), '--help'];
      const run = spawnSync(process.execPath, args, { encoding: 'utf8' });
      this.#helps.set(
        command,
        run.status === 0 && run.stdout.includes(command.split(' ')[0] ?? '') ? run.stdout : undefined,
      );
    }
    return this.#helps.get(command);
  }
}

function checkCode(root: string, shell: readonly Snippet[], code: readonly Snippet[]): Finding[] {
  if (code.length === 0) return [];
  const folder = mkdtempSync(join(tmpdir(), 'sealwire-snippets-'));
  try {
    const here = (text: string): string => text.replaceAll('/tmp/', `${folder}/`);
    installCheckout(root, folder);
    for (const [index, { lines }] of code.entries()) {
      writeFileSync(join(folder, `snippet-${index}.ts`), here(lines.join('\n')));
    }
    const compiled = compile(root, folder);
    return [
      ...prepare(root, shell, here),
      ...code.flatMap((snippet, index) => runSnippet(folder, snippet, `snippet-${index}.ts`, compiled)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A project in `folder` that finds this checkout as `sealwire`. */
function installCheckout(root: string, folder: string): void {
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules/sealwire'));
  symlinkSync(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }');
  const compilerOptions = {
    noEmit: true,
    types: ['node'],
    isolatedDeclarations: false,
    customConditions: ['sealwire-source'],
  };
  const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['snippet-*.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
}

function prepare(root: string, shell: readonly Snippet[], here: (text: string) => string): Finding[] {
  return shell.flatMap(({ path, line, lines }) =>
    lines.flatMap((content, index) => {
      if (!PREPARES.test(content)) return [];
      const args = here(content).split(/\s+/).slice(2);
      const run = spawnSync(process.execPath, [join(root, 'bin/sealwire.js'), ...args], { encoding: 'utf8' });
      return run.status === 0
        ? []
        : [{ path, line: line + index, what: `the command fails: ${lastWords(run.stderr)}` }];
    }),
  );
}

/** What the compiler says about all snippets together, line by line. */
function compile(root: string, folder: string): string[] {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', folder], { cwd: folder, encoding: 'utf8' });
  return run.stdout.split('\n').filter((text) => /error TS\d/.test(text));
}

function runSnippet(folder: string, { path, line }: Snippet, file: string, compiled: readonly string[]): Finding[] {
  // An error outside the snippets, in our own sources or in how they are set up, is every snippet's.
  const errors = compiled.filter((text) => text.startsWith(file) || !text.startsWith('snippet-'));
  if (errors.length > 0) {
    return errors.map((text) => ({
      path,
      line: line + lineIn(text) - 1,
      what: `the snippet does not compile: ${text}`,
    }));
  }
  const options = { cwd: folder, encoding: 'utf8', timeout: RUN_TIMEOUT_MS } as const;
  const run = spawnSync(process.execPath, ['--conditions=sealwire-source', file], options);
  if (run.status === 0) return [];
  const why = run.error ? `it does not end within ${RUN_TIMEOUT_MS / 1000} s` : lastWords(run.stderr);
  return [{ path, line, what: `the snippet fails: ${why}` }];
}

function lineIn(text: string): number {
  return text.startsWith('snippet-') ? Number(/\((\d+),/.exec(text)?.[1] ?? 1) : 1;
}

/** The line of what a program said that tells most. */
function lastWords(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => /^(\w*Error\b|sealwire:)/.test(line)) ?? lines.at(-1) ?? 'without a word';
}
