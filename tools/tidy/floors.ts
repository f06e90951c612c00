import { builtinModules } from 'node:module';
import { SyntaxKind } from 'typescript/unstable/ast';
import { isForOfStatement } from 'typescript/unstable/ast/is';
import type { Finding } from './finding.ts';
import { type Import, lineOf, type Module, resolveImport, walk } from './modules.ts';

interface Floor {
  /** Where its relative imports may lead. */
  readonly below: readonly string[];
  readonly builtins: boolean;
  /** Packages it may use; null for every one that package.json lists. */
  readonly packages: RegExp | null;
}

const PURE = /^@(noble|peculiar)\/|^@scure\/base$/;

const FLOORS: Readonly<Record<string, Floor>> = {
  core: { below: ['core'], builtins: false, packages: PURE },
  roles: { below: ['roles', 'core'], builtins: false, packages: /^@noble\/|^@scure\/base$|^mqtt$/ },
  node: { below: ['node', 'core'], builtins: true, packages: null },
  apps: { below: ['apps', 'roles', 'node', 'core'], builtins: true, packages: null },
};

/** The one module that may use a package which its floor may not. */
const DOORS: Readonly<Record<string, string>> = {
  cborg: 'src/core/cbor.ts',
  mqtt: 'src/roles/mqtt/client.ts',
};

/** Imports that go up, sideways or outside, and waiting in core. `dependencies` are package.json's. */
export function checkFloors(modules: readonly Module[], dependencies: readonly string[]): Finding[] {
  const known = new Set(modules.map(({ path }) => path));
  return modules.flatMap((module) => {
    const name = floorOf(module.path);
    if (module.isTest || name === undefined) return [];
    const floor = FLOORS[name];
    if (!floor) return [{ path: module.path, line: 0, what: `src/${name} is none of the floors` }];
    const found = module.imports.flatMap((one) => {
      const what = faultOf(one, module.path, name, floor, known, dependencies);
      return what ? [{ path: module.path, line: one.line, what }] : [];
    });
    return name === 'core' ? [...found, ...waits(module)] : found;
  });
}

function floorOf(path: string): string | undefined {
  return /^src\/([^/]+)/.exec(path)?.[1];
}

function faultOf(
  { specifier }: Import,
  path: string,
  name: string,
  floor: Floor,
  known: ReadonlySet<string>,
  dependencies: readonly string[],
): string | undefined {
  if (specifier === null) return 'an import that is computed cannot be checked';
  if (specifier.startsWith('.')) {
    const target = resolveImport(path, specifier);
    const other = floorOf(target) ?? 'outside';
    if (!known.has(target)) return `“${specifier}” leads to no source file`;
    if (/\.test\.ts$/.test(target)) return `“${specifier}” is a test`;
    return floor.below.includes(other) ? undefined : `${name} may not import from ${other}: “${specifier}”`;
  }
  if (specifier.startsWith('node:')) return floor.builtins ? undefined : `${name} may not use “${specifier}”`;
  const packageName = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  if (builtinModules.includes(packageName))
    return `a bare “${specifier}”: write node:${specifier}, and not in core or roles`;
  if (!dependencies.includes(packageName)) return `“${packageName}” is none of the dependencies in package.json`;
  const door = DOORS[packageName];
  if (door !== undefined) return door === path ? undefined : `only ${door} may use “${packageName}”`;
  return floor.packages === null || floor.packages.test(packageName)
    ? undefined
    : `${name} may not use “${packageName}”`;
}

function waits({ path, source }: Module): Finding[] {
  const found: Finding[] = [];
  walk(source, (node) => {
    const forAwait = isForOfStatement(node) && node.awaitModifier !== undefined;
    if (node.kind !== SyntaxKind.AwaitExpression && node.kind !== SyntaxKind.AsyncKeyword && !forAwait) return;
    found.push({ path, line: lineOf(source, node), what: 'core waits for nothing: no async, no await' });
  });
  return found;
}
