import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkDeadExports, checkDeadFiles, checkDocComments } from './tidy/exports.ts';
import { type Finding, formatFinding } from './tidy/finding.ts';
import { checkFloors } from './tidy/floors.ts';
import { readModules } from './tidy/modules.ts';
import { checkSnippets } from './tidy/snippets.ts';
import { checkTests } from './tidy/tests.ts';
import { checkTexts, readTexts } from './tidy/texts.ts';

/** The rules of this house that neither compiler nor linter knows. */
function tidy(root: string): Finding[] {
  const manifest: { readonly dependencies?: Readonly<Record<string, string>> } = JSON.parse(
    readFileSync(`${root}/package.json`, 'utf8'),
  );
  const modules = readModules(root);
  const texts = readTexts(root);
  return [
    ...checkFloors(modules, Object.keys(manifest.dependencies ?? {})),
    ...checkDeadFiles(modules),
    ...checkDeadExports(modules),
    ...checkDocComments(modules),
    ...checkTests(modules),
    ...checkTexts(texts),
    ...checkSnippets(root, texts),
  ];
}

const root = fileURLToPath(new URL(process.argv[2] ?? '..', import.meta.url)).replace(/\/$/, '');
const findings = tidy(root);
for (const finding of findings) process.stdout.write(`${formatFinding(finding)}\n`);
if (findings.length > 0) process.stderr.write(`tidy: ${findings.length} to put right.\n`);
process.exitCode = findings.length > 0 ? 1 : 0;
