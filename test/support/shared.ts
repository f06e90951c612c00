import { existsSync, readFileSync } from 'node:fs';

/** A file of published vectors that lie beside the checkout, or a reason to skip what needs it. */
export function sharedVectors<T>(path: string): { readonly data: T; readonly skip: false } | { readonly skip: string } {
  const file = new URL(`../../../shared/vectors/${path}`, import.meta.url);
  if (!existsSync(file)) return { skip: `shared/vectors/${path} does not lie beside this checkout` };
  return { data: JSON.parse(readFileSync(file, 'utf8')) as T, skip: false };
}
