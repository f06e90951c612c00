/** Lets the event loop turn once. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets the event loop turn until `condition` holds; a test's own time limit ends it otherwise. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** Resolves once `progress` has not changed for so many turns that nothing more is to be expected. */
export async function standstill(progress: () => number, turns = 200): Promise<void> {
  let last = progress();
  for (let still = 0; still < turns; still++) {
    await turn();
    if (progress() !== last) still = 0;
    last = progress();
  }
}
