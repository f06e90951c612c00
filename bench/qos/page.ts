/** A named part of a page. */
export interface PagePart {
  readonly name: string;
  readonly text: string;
}

/**
 * Puts each part into `page` between `<!-- name -->` and `<!-- /name -->`, in the place of what stands there. Throws
 * where a page has no such place.
 */
export function withParts(page: string, parts: readonly PagePart[]): string {
  return parts.reduce((before, { name, text }) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const from = before.indexOf(begin);
    const to = before.indexOf(end, from);
    if (from === -1 || to === -1) throw new Error(`the page has no place for ${name}: ${begin} … ${end}`);
    return `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`;
  }, page);
}
