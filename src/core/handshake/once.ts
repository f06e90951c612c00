import { SealwireError } from '../errors.ts';

/** Lets a state be completed a single time: a second message under the same key and nonce would break both. */
export interface Once {
  /** Throws `internal` after {@link Once.use}. */
  check(): void;
  /** Throws `internal` the second time. */
  use(): void;
}

/** A fresh {@link Once} for the message named. */
export function once(message: string): Once {
  let used = false;
  const check = (): void => {
    if (!used) return;
    throw new SealwireError('internal', `${message} was built from this state already.`, {
      hint: 'Keep its bytes and send them again.',
    });
  };
  return {
    check,
    use: () => {
      check();
      used = true;
    },
  };
}
