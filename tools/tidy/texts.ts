import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from './finding.ts';

/** A file of the checkout as it stands. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

const NOT_OURS: readonly string[] = ['node_modules', 'dist', '.git', '.sealwire'];
const TEXT = /\.(ts|js|json|md|sh|txt|yml)$|^\.[a-z]+(ignore|rc)$|^[A-Z]+$|^run$/;

/** Every text file below `root` that is ours. */
export function readTexts(root: string, under = ''): TextFile[] {
  return readdirSync(join(root, under), { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.includes(entry.name)) return [];
    const path = under ? `${under}/${entry.name}` : entry.name;
    if (entry.isDirectory()) return readTexts(root, path);
    return entry.isFile() && TEXT.test(entry.name) ? [{ path, text: readFileSync(join(root, path), 'utf8') }] : [];
  });
}

const LINES_MAX = 400;
/** What a longer file says near its top, with the reason. */
const LONG_REASON = /^\/\/ Long on purpose: \S+/m;

// Put together here, so that this file does not accuse itself.
const MARKERS = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`);
const MACHINE_PATH = /(?<![\w.:/-])\/(?:home|Users|root|work)\/\w+/;
const RESOLVED = /"resolved": "http/;

/** Files that are too long, unfinished work, paths of one machine, addresses in the lock file. */
export function checkTexts(files: readonly TextFile[]): Finding[] {
  return files.flatMap((file) => [...checkLength(file), ...checkLines(file)]);
}

function checkLength({ path, text }: TextFile): Finding[] {
  const count = text.split('\n').length - 1;
  if (!/\.[jt]s$/.test(path) || count <= LINES_MAX || LONG_REASON.test(text.slice(0, 2000))) return [];
  return [{ path, line: 0, what: `${count} lines, over ${LINES_MAX}, without “// Long on purpose: …” near its top` }];
}

function checkLines({ path, text }: TextFile): Finding[] {
  return text.split('\n').flatMap((content, index) => {
    const line = index + 1;
    const found: Finding[] = [];
    const marker = MARKERS.exec(content)?.[0];
    if (marker) found.push({ path, line, what: `unfinished work: ${marker}` });
    const machinePath = MACHINE_PATH.exec(content)?.[0];
    if (machinePath) found.push({ path, line, what: `a path of one machine: ${machinePath}` });
    if (path.endsWith('package-lock.json') && RESOLVED.test(content)) {
      found.push({ path, line, what: 'the lock file names a registry’s address' });
    }
    return found;
  });
}
