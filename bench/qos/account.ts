/** What a writer was told of its messages, by their numbers. */
export interface Told {
  /** The call resolved: to whoever made it, this one is safe. */
  readonly safe: readonly number[];
  /** The call was rejected. */
  readonly failed: readonly number[];
}

/** What became of a writer's messages. */
export interface Account {
  readonly sent: number;
  /** Calls that resolved. */
  readonly safe: number;
  /** Messages that the reader got, each counted once. */
  readonly came: number;
  /** Called safe, and never came. */
  readonly lost: number;
  /** Calls that were rejected: whoever made them knows. */
  readonly told: number;
  /** Of those, messages that came nevertheless. */
  readonly toldWrongly: number;
  /** Messages that the reader got more than once. */
  readonly twice: number;
}

/** Compares what the writer was told with how often each number came; other numbers are of no interest. */
export function accountOf({ safe, failed }: Told, times: Uint8Array): Account {
  const timesOf = (number: number): number => times[number] ?? 0;
  const hasCome = (number: number): boolean => timesOf(number) > 0;
  const sent = [...safe, ...failed];
  return {
    sent: sent.length,
    safe: safe.length,
    came: sent.filter(hasCome).length,
    lost: safe.filter((number) => !hasCome(number)).length,
    told: failed.length,
    toldWrongly: failed.filter(hasCome).length,
    twice: sent.filter((number) => timesOf(number) > 1).length,
  };
}
