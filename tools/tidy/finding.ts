/** Something that is not as it should be, and where. */
export interface Finding {
  /** Relative to the checkout's root, with slashes. */
  readonly path: string;
  /** From 1; 0 for a file as a whole. */
  readonly line: number;
  readonly what: string;
}

/** One line a finding, as editors make links of. */
export function formatFinding({ path, line, what }: Finding): string {
  return `${path}${line > 0 ? `:${line}` : ''}: ${what}`;
}
