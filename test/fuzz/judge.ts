import { type ErrorCode, SealwireError } from '../../src/core/errors.ts';
import { type OpenTarget, Unsound } from './target.ts';

/** What became of one input. */
export type Verdict =
  | { readonly type: 'taken' }
  | { readonly type: 'refused'; readonly code: ErrorCode; readonly error: SealwireError }
  /** Taken, and it must not have been. */
  | { readonly type: 'acceptance'; readonly error: unknown }
  /** Something was thrown that is no refusal. */
  | { readonly type: 'crash'; readonly error: unknown };

const TAKEN: Verdict = { type: 'taken' };

/** Judges one input; at once where the target does. */
export function judge(target: OpenTarget, input: Uint8Array): Verdict | Promise<Verdict> {
  try {
    const pending = target.judge(input);
    return pending instanceof Promise ? pending.then(() => TAKEN, verdictOf) : TAKEN;
  } catch (error) {
    return verdictOf(error);
  }
}

function verdictOf(error: unknown): Verdict {
  if (error instanceof Unsound) return { type: 'acceptance', error };
  // `internal` says itself that the fault is ours.
  if (error instanceof SealwireError && error.code !== 'internal') {
    return { type: 'refused', code: error.code, error };
  }
  return { type: 'crash', error };
}

/** What tells one outcome from another: the check that refused it, by its sentence without names and numbers. */
export function featureOf(verdict: Verdict): string {
  if (verdict.type !== 'refused') return verdict.type;
  const { code, message } = verdict.error;
  return `${code} ${message.replace(/"[^"]*"|SHA256:\S+|[\d,.]+/g, '#').slice(0, 160)}`;
}
