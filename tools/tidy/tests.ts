import { type Node, SyntaxKind } from 'typescript/unstable/ast';
import {
  isCallExpression,
  isIdentifier,
  isNoSubstitutionTemplateLiteral,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isStringLiteral,
  isTemplateExpression,
} from 'typescript/unstable/ast/is';
import type { Finding } from './finding.ts';
import { lineOf, type Module, walk } from './modules.ts';

const RUNNERS: readonly string[] = ['test', 'it', 'describe', 'suite'];

/** Tests that stand alone, or are left out without saying why. */
export function checkTests(modules: readonly Module[]): Finding[] {
  return modules
    .filter(({ path }) => path.endsWith('.test.ts') || path.startsWith('test/'))
    .flatMap(({ path, source }) => {
      const found: Finding[] = [];
      walk(source, (node) => {
        const what = callFault(node) ?? optionFault(node);
        if (what) found.push({ path, line: lineOf(source, node), what });
      });
      return found;
    });
}

function callFault(node: Node): string | undefined {
  if (!isCallExpression(node) || !isPropertyAccessExpression(node.expression)) return undefined;
  const { expression: object, name } = node.expression;
  const ofRunner = isIdentifier(object) && RUNNERS.includes(object.text);
  if (ofRunner && name.text === 'only') return 'a test that lets only itself run';
  if (ofRunner && ['skip', 'todo'].includes(name.text)) return 'a test left out: use { skip: ‘the reason’ }';
  // `t.skip()` within a test.
  const ofContext = isIdentifier(object) && /^(t|context)$/.test(object.text) && ['skip', 'todo'].includes(name.text);
  return ofContext && !isText(node.arguments[0]) ? 'a test left out without a reason' : undefined;
}

function optionFault(node: Node): string | undefined {
  if (!isPropertyAssignment(node) || !isIdentifier(node.name)) return undefined;
  const isTrue = node.initializer.kind === SyntaxKind.TrueKeyword;
  if (isTrue && node.name.text === 'only') return 'a test that lets only itself run';
  return isTrue && ['skip', 'todo'].includes(node.name.text) ? 'a test left out without a reason' : undefined;
}

function isText(node: Node | undefined): boolean {
  return (
    node !== undefined && (isStringLiteral(node) || isTemplateExpression(node) || isNoSubstitutionTemplateLiteral(node))
  );
}
