import { isIdentifier } from 'typescript/unstable/ast/is';
import type { Finding } from './finding.ts';
import { type Export, type Module, resolveImport, walk } from './modules.ts';

/** Where users come in: the command line, and the library's door. */
const DOORS: readonly string[] = ['src/apps/main.ts', 'src/apps/sealwire.ts'];

/** Kept although nothing in the sources leads there, and why. */
const KEPT: Readonly<Record<string, string>> = {
  'src/core/crypto/noble.ts': 'the crypto port for runtimes without node:crypto, held equal by a differential test',
  'src/roles/memory.ts': 'the transport between parts of one process, and of tests; held to the contract of the others',
  'src/roles/memory-broker.ts': 'the broker in one process, and of tests; held to the contract of the others',
  'src/roles/memory-ledger.ts': 'the ledger’s store for tests; held to the contract of the others',
};

/** Source files that no door leads to. */
export function checkDeadFiles(modules: readonly Module[]): Finding[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const module = byPath.get(path);
    if (!module || reached.has(path)) return;
    reached.add(path);
    for (const { specifier } of module.imports) {
      if (specifier?.startsWith('.')) visit(resolveImport(path, specifier));
    }
  };
  for (const path of [...DOORS, ...Object.keys(KEPT)]) visit(path);
  return modules
    .filter(({ path, isTest }) => path.startsWith('src/') && !isTest && !reached.has(path))
    .map(({ path }) => ({ path, line: 0, what: 'dead file: neither the command line nor the library’s door uses it' }));
}

/**
 * Exports that nothing outside their file uses; benches and tools count. A test does not keep code alive, but it may
 * look at what its file uses itself; and a type may be named by those who use the exports that speak of it.
 */
export function checkDeadExports(modules: readonly Module[]): Finding[] {
  const used = usedNames(modules.filter(({ isTest }) => !isTest));
  const tested = usedNames(modules.filter(({ isTest }) => isTest));
  return sources(modules).flatMap((module) => {
    if (DOORS.includes(module.path) || module.path in KEPT) return [];
    const takes = (names: Map<string, Set<string>>, name: string): boolean =>
      names.get(module.path)?.has('*') === true || names.get(module.path)?.has(name) === true;
    const isLive = ({ name, isType }: Export): boolean =>
      takes(used, name) || ((isType || takes(tested, name)) && usesItself(module, name));
    return module.exports
      .filter((one) => !isLive(one))
      .map(({ name, line }) => ({ path: module.path, line, what: `dead export: nothing else uses “${name}”` }));
  });
}

/** Exports without a doc comment. */
export function checkDocComments(modules: readonly Module[]): Finding[] {
  return sources(modules).flatMap(({ path, exports }) =>
    exports
      .filter(({ documented }) => !documented)
      .map(({ name, line }) => ({ path, line, what: `“${name}” is exported without a doc comment` })),
  );
}

function sources(modules: readonly Module[]): Module[] {
  return modules.filter(({ path, isTest }) => path.startsWith('src/') && !isTest);
}

/** For each file the names that others take from it; `*` for all. */
function usedNames(users: readonly Module[]): Map<string, Set<string>> {
  const used = new Map<string, Set<string>>();
  for (const { path, imports } of users) {
    for (const { specifier, names } of imports) {
      if (!specifier?.startsWith('.')) continue;
      const target = resolveImport(path, specifier);
      const known = used.get(target) ?? new Set();
      for (const name of names ?? ['*']) known.add(name);
      used.set(target, known);
    }
  }
  return used;
}

/** True when `name` stands in its file more often than where it is declared. */
function usesItself({ source }: Module, name: string): boolean {
  let mentions = 0;
  walk(source, (node) => {
    if (isIdentifier(node) && node.text === name) mentions += 1;
  });
  return mentions > 1;
}
