import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ROOT, runNode } from '../../test/support/child.ts';

const NEVER = 'export const';

/** A checkout in which nothing is wrong. */
const CLEAN: Readonly<Record<string, string>> = {
  'package.json': '{ "type": "module", "scripts": { "test": "x" }, "dependencies": { "cborg": "6", "left-pad": "1" } }',
  'tsconfig.test.json':
    '{ "extends": "./tsconfig.base.json", "compilerOptions": { "noEmit": true, "types": ["node"] }, "include": ["src", "test"] }',
  'bin/sealwire.js': `const [command] = process.argv.slice(2);
    if (command === 'greet') console.log('Usage: sealwire greet [options]  --loud');
    else process.exitCode = 2;`,
  'src/core/bytes.ts': `/** A byte. */\n${NEVER} BYTE = 255;\n`,
  'src/apps/sealwire.ts': "export { BYTE } from '../core/bytes.ts';\n",
  'src/apps/main.ts': "import { BYTE } from '../core/bytes.ts';\nconsole.log(BYTE);\n",
  'test/a.test.ts': "import { test } from 'node:test';\ntest('a', { skip: 'no network here' }, () => {});\n",
};

async function tidy(t: TestContext, changes: Readonly<Record<string, string>>): Promise<string[]> {
  const root = mkdtempSync(join(tmpdir(), 'sealwire-tidy-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  cpSync(join(ROOT, 'tsconfig.base.json'), join(root, 'tsconfig.base.json'));
  for (const [path, text] of Object.entries({ ...CLEAN, ...changes })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const { code, stdout, stderr } = await runNode([join(ROOT, 'tools/tidy.ts'), root]);
  const lines = stdout.split('\n').filter((line) => line !== '');
  assert.equal(code, lines.length > 0 ? 1 : 0, stderr);
  return lines;
}

/** Each in a file of its own, so that one run shows them all: what stands in it, and what is said about it. */
type Wrong = Readonly<Record<string, readonly [text: string, ...findings: RegExp[]]>>;

async function assertFound(t: TestContext, wrong: Wrong): Promise<void> {
  const files = Object.fromEntries(Object.entries(wrong).map(([path, [text]]) => [path, text]));
  // Everything is used, so that only what is meant is found.
  const used = Object.keys(files).filter((path) => /^src\/(core|roles|node)\/(?!.*\.test\.ts)/.test(path));
  const main = used.map((path) => `import * as _${path.replace(/\W/g, '_')} from '../../${path}';`).join('\n');
  const lines = await tidy(t, { 'src/apps/main.ts': main, ...files });
  for (const [path, [, ...findings]] of Object.entries(wrong)) {
    const about = lines.filter((line) => line.startsWith(`${path}:`));
    assert.equal(about.length, findings.length, `${path}: ${about.join(' | ')}`);
    for (const [index, finding] of findings.entries()) assert.match(about[index] ?? '', finding);
  }
  const strangers = lines.filter((line) => !Object.keys(wrong).some((path) => line.startsWith(`${path}:`)));
  assert.deepEqual(strangers, []);
}

test('tidy: a clean checkout passes', async (t) => {
  assert.deepEqual(await tidy(t, {}), []);
});

test('tidy: imports go down only', async (t) => {
  await assertFound(t, {
    'src/core/up.ts': ["import '../roles/role.ts';", /^src\/core\/up\.ts:1: core may not import from roles/],
    'src/core/out.ts': ["import '../../test/a.test.ts';", /is a test/],
    'src/core/gone.ts': ["\nimport './nowhere.ts';", /^src\/core\/gone\.ts:2: .* leads to no source file/],
    'src/core/builtin.ts': ["import 'node:fs';", /core may not use “node:fs”/],
    'src/core/bare.ts': ["import 'fs';", /a bare “fs”/],
    'src/core/bare-deep.ts': ["import 'fs/promises';", /a bare “fs\/promises”/],
    'src/core/dynamic.ts': ["void import('node:fs');", /core may not use “node:fs”/],
    'src/core/required.ts': ["require('node:fs');", /core may not use “node:fs”/],
    'src/core/computed.ts': ["const x = 'a';\nvoid import(x);", /^src\/core\/computed\.ts:2: .* computed/],
    'src/core/typed.ts': ["let x: import('node:fs').Stats;", /core may not use “node:fs”/],
    'src/core/export.ts': ["export * from 'node:fs';", /core may not use “node:fs”/],
    'src/core/quoted.ts': ["// import 'node:fs'\nvoid `import 'node:fs'`;\nvoid \"require('fs')\";"],
    'src/core/cbor.ts': ["import 'cborg';"],
    'src/core/other.ts': ["import 'cborg';", /only src\/core\/cbor\.ts may use “cborg”/],
    'src/core/package.ts': ["import 'left-pad';", /core may not use “left-pad”/],
    'src/core/waits.ts': [
      'async function f() {\n  await 1;\n  for await (const x of []) x;\n}\nf();',
      /:1: core waits/,
      /:2: core waits/,
      /:3: core waits/,
    ],
    'src/core/upward.test.ts': ["import '../node/fine.ts';\nimport 'node:fs';"],
    'src/roles/role.ts': ["import 'node:fs';", /roles may not use “node:fs”/],
    'src/roles/side.ts': ["import '../node/fine.ts';", /roles may not import from node/],
    'src/node/fine.ts': ["import 'node:fs';\nimport 'left-pad';\nimport '../core/bytes.ts';"],
    'src/node/stranger.ts': ["import '@some/thing/deep.js';", /“@some\/thing” is none of the dependencies/],
    'src/node/side.ts': ["import '../apps/sealwire.ts';", /node may not import from apps/],
    'src/cellar/deep.ts': ['', /none of the floors/, /dead file/],
  });
});

test('tidy: what nobody uses, and what nobody explains', async (t) => {
  const lines = await tidy(t, {
    'src/core/dead.ts': '',
    'src/core/only-tested.ts': `/** X. */\n${NEVER} X = 1;\n/** Y. */\n${NEVER} Y = 1;\nvoid Y;\n`,
    'src/core/only-tested.test.ts': "import { X, Y } from './only-tested.ts';\nvoid [X, Y];\n",
    'src/core/worker.ts': '',
    'src/core/used.ts': `/** A. */\n${NEVER} A = 1;\n${NEVER} B = 2, C = 3;\n/** D. */\nexport function D() {}
/** O. */\nexport interface O {}\n/** E. */\nexport class E { o: O = {}; }\n/** F. */\nexport type F = 1;\n`,
    'src/core/again.ts': "export { A as renamed } from './used.ts';\n",
    'src/apps/main.ts': `import { B as b, E } from '../core/used.ts';\nimport { renamed } from '../core/again.ts';
void [b, E, renamed, new URL('../core/worker.ts', import.meta.url)];\n`,
  });
  assert.deepEqual(lines, [
    'src/core/dead.ts: dead file: neither the command line nor the library’s door uses it',
    'src/core/only-tested.ts: dead file: neither the command line nor the library’s door uses it',
    'src/core/only-tested.ts:2: dead export: nothing else uses “X”',
    'src/core/used.ts:3: dead export: nothing else uses “C”',
    'src/core/used.ts:5: dead export: nothing else uses “D”',
    'src/core/used.ts:11: dead export: nothing else uses “F”',
    'src/core/used.ts:3: “B” is exported without a doc comment',
    'src/core/used.ts:3: “C” is exported without a doc comment',
  ]);
});

test('tidy: tests that stand alone or are left out', async (t) => {
  await assertFound(t, {
    'test/b.test.ts': [
      `import { describe, test } from 'node:test';
test.only('a', () => {});
test.skip('b', () => {});
describe.only('c', () => {});
test('d', { only: true }, () => {});
test('e', { skip: true }, () => {});
test('f', (t) => t.skip());
test('g', (t) => t.skip('no network here'));
test('h', { todo: true }, () => {});
// test.only(
`,
      ...[2, 3, 4, 5, 6, 7, 9].map((line) => new RegExp(`^test/b\\.test\\.ts:${line}: a test`)),
    ],
  });
});

test('tidy: long files, unfinished work, paths of one machine, addresses in the lock file', async (t) => {
  const long = '\n'.repeat(401);
  await assertFound(t, {
    'src/core/long.ts': [long, /401 lines/],
    'src/core/excused.ts': [`// Long on purpose: one table.\n${long}`],
    'src/core/marked.ts': [`// ${'TO'}${'DO'}: more\n// a ${'to'}${'do'} list is no marker\n`, /:1: unfinished work/],
    'NOTES.md': [`see /${'home'}/somebody/notes, not https://x.y/${'home'}/z\n`, /:1: a path of one machine/],
    'package-lock.json': ['{\n  "resolved": "https://registry.example/x.tgz"\n}', /:2: the lock file names/],
  });
});

test('tidy: what documents tell people to type must work', async (t) => {
  await assertFound(t, {
    'README.md': [
      `\`\`\`sh
npm test && npm run nothing
npx sealwire --home /tmp/x greet bob --loud
npx sealwire greet --softly   # --even-softer
npx sealwire fly
ls -la
\`\`\`

\`\`\`ts
import { BYTE } from 'sealwire';
if (BYTE !== 255) throw new Error('no');
\`\`\`

\`\`\`ts
import { BYTE } from 'sealwire';

export const text: string = BYTE;
\`\`\`

\`\`\`ts
throw new RangeError('as it runs');
\`\`\`

\`\`\`
import nothing from 'nowhere';
\`\`\`
`,
      /^README\.md:2: package\.json has no script “nothing”/,
      /^README\.md:4: “greet” has no option --softly/,
      /^README\.md:5: sealwire has no command “fly”/,
      /^README\.md:17: the snippet does not compile: .*TS2322/,
      /^README\.md:21: the snippet fails: .*as it runs/,
    ],
    'package.json': [
      `{ "name": "sealwire", "type": "module", "scripts": { "test": "x" }, "dependencies": { "left-pad": "1" },
        "exports": { "sealwire-source": "./src/apps/sealwire.ts" } }`,
    ],
  });
});
