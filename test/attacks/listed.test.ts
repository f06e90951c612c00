import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const ID = /\b[NC]\d+[ab]?\b/g;

async function idsInTitles(folder: string): Promise<string[]> {
  const files = (await readdir(join(ROOT, folder), { recursive: true })).filter((name) => name.endsWith('.test.ts'));
  const texts = await Promise.all(files.map((name) => readFile(join(ROOT, folder, name), 'utf8')));
  const titles = texts.flatMap((text) =>
    [...text.matchAll(/test\(\s*(['`])(.*?)\1/g)].map(([, , title]) => title ?? ''),
  );
  return titles.flatMap((title) => title.match(ID) ?? []);
}

test('each attack that SECURITY lists has tests with its id in their titles, and none is left out there', async () => {
  const security = await readFile(join(ROOT, 'SECURITY.md'), 'utf8');
  const rows = [...security.matchAll(/^\| +([NC]\d[^|]*?) +\|/gm)].map(([, ids]) => ids ?? '');
  const listed = new Set(rows.flatMap((ids) => ids.match(ID) ?? []));
  const tested = new Set([...(await idsInTitles('test')), ...(await idsInTitles('src'))]);
  assert.deepEqual([...listed].toSorted(), [...tested].toSorted());
});
