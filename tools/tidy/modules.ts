import { posix, relative, sep } from 'node:path';
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast';
import {
  isCallExpression,
  isExportDeclaration,
  isIdentifier,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isNamedExports,
  isNamedImports,
  isNewExpression,
  isStringLiteral,
  isVariableStatement,
} from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';

/** One import of a module, of whatever form. */
export interface Import {
  /** Null where it is computed. */
  readonly specifier: string | null;
  /** The names taken, as the other module calls them; null for all of them. */
  readonly names: readonly string[] | null;
  readonly line: number;
}

/** One name that a module declares and exports. */
export interface Export {
  readonly name: string;
  readonly line: number;
  readonly documented: boolean;
  /** An interface or a type alias. */
  readonly isType: boolean;
}

/** A source file, taken apart as far as the checks need. */
export interface Module {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly isTest: boolean;
  readonly source: SourceFile;
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
}

/** Parses all files of the project that `tsconfig.test.json` in `root` describes. */
export function readModules(root: string): Module[] {
  const api = new API({ cwd: root });
  try {
    const config = `${root}/tsconfig.test.json`;
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    if (!project) throw new Error(`${config} cannot be read`);
    return project.rootFiles.flatMap((file) => {
      const source = project.program.getSourceFile(file);
      return source ? [moduleOf(relative(root, file).split(sep).join('/'), source)] : [];
    });
  } finally {
    api.close();
  }
}

/** The file that a relative import leads to, relative to the root. */
export function resolveImport(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier);
}

/** From 1. */
export function lineOf(source: SourceFile, node: Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

/** Calls `visit` with each node below `node`. */
export function walk(node: Node, visit: (node: Node) => void): void {
  node.forEachChild((child) => {
    visit(child);
    walk(child, visit);
  });
}

function moduleOf(path: string, source: SourceFile): Module {
  const isTest = path.endsWith('.test.ts') || path.startsWith('test/');
  return { path, isTest, source, imports: importsOf(source), exports: exportsOf(source) };
}

function importsOf(source: SourceFile): Import[] {
  const imports: Import[] = [];
  walk(source, (node) => {
    const found = importOf(node);
    if (found) imports.push({ ...found, line: lineOf(source, node) });
  });
  return imports;
}

function importOf(node: Node): Omit<Import, 'line'> | undefined {
  if (isImportDeclaration(node)) {
    const bindings = node.importClause?.namedBindings;
    const named = bindings && isNamedImports(bindings) ? bindings.elements : [];
    const names =
      bindings && !isNamedImports(bindings) ? null : named.map((one) => (one.propertyName ?? one.name).text);
    return { specifier: literal(node.moduleSpecifier), names };
  }
  if (isExportDeclaration(node) && node.moduleSpecifier) {
    const { exportClause } = node;
    const names =
      exportClause && isNamedExports(exportClause)
        ? exportClause.elements.map((one) => (one.propertyName ?? one.name).text)
        : null;
    return { specifier: literal(node.moduleSpecifier), names };
  }
  if (isImportTypeNode(node)) {
    return { specifier: isLiteralTypeNode(node.argument) ? literal(node.argument.literal) : null, names: null };
  }
  if (isCallExpression(node) && isLoader(node.expression))
    return { specifier: literal(node.arguments[0]), names: null };
  // `new URL('./x.ts', import.meta.url)`: a worker, or a child process.
  if (isNewExpression(node) && isIdentifier(node.expression) && node.expression.text === 'URL') {
    const specifier = literal(node.arguments?.[0]);
    return specifier?.startsWith('.') && specifier.endsWith('.ts') ? { specifier, names: null } : undefined;
  }
  return undefined;
}

function isLoader(callee: Node): boolean {
  return callee.kind === SyntaxKind.ImportKeyword || (isIdentifier(callee) && callee.text === 'require');
}

function literal(node: Node | undefined): string | null {
  return node && isStringLiteral(node) ? node.text : null;
}

function exportsOf(source: SourceFile): Export[] {
  return source.statements.flatMap((statement) => {
    const documented = (statement.jsDoc?.length ?? 0) > 0;
    const isType =
      statement.kind === SyntaxKind.InterfaceDeclaration || statement.kind === SyntaxKind.TypeAliasDeclaration;
    const exported = isExportDeclaration(statement) ? [] : hasExportModifier(statement) ? declared(statement) : [];
    return exported.map(({ name, node }) => ({ name, line: lineOf(source, node), documented, isType }));
  });
}

function hasExportModifier(statement: Node): boolean {
  const modifiers: unknown = 'modifiers' in statement ? statement.modifiers : undefined;
  if (!modifiers || typeof modifiers !== 'object' || !(Symbol.iterator in modifiers)) return false;
  return [...(modifiers as Iterable<Node>)].some(({ kind }) => kind === SyntaxKind.ExportKeyword);
}

function declared(statement: Node): { readonly name: string; readonly node: Node }[] {
  const declarations: readonly Node[] = isVariableStatement(statement)
    ? statement.declarationList.declarations
    : [statement];
  return declarations.flatMap((node) => {
    const name = 'name' in node ? (node.name as Node) : undefined;
    return name && isIdentifier(name) ? [{ name: name.text, node }] : [];
  });
}
