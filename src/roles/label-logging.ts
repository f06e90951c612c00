import { isSealwireError, SealwireError } from '../core/errors.ts';
import type { SealedFrame } from '../core/frame/seal.ts';
import type { LabelSink } from './label-sink.ts';
import type { PendingMessage } from './send-queue.ts';

/** Told of a label that the ledger did not take. Must not throw. */
export type OnNotLogged = (event: {
  readonly type: 'not-logged';
  readonly seq: number;
  readonly error: SealwireError;
}) => void;

/** Hands a frame's label in, where there is somebody to hand it to, and tells those who wait for the ledger. */
export function logLabel(
  sink: LabelSink | null,
  { seq, label }: Pick<SealedFrame, 'seq' | 'label'>,
  messages: readonly PendingMessage[],
  onNotLogged: OnNotLogged,
): void {
  if (!sink) return;
  const waiting = messages.filter(({ until }) => until === 'logged');
  sink.submit(label).then(
    (logged) => {
      for (const { n, done } of waiting) done.resolve({ n, seq, logged });
      for (const { stored } of messages) stored?.logged?.resolve(seq, logged);
    },
    (cause: unknown) => {
      const error = isSealwireError(cause)
        ? cause
        : new SealwireError('not-logged', `The label with seq ${seq} was not logged.`, { cause });
      for (const { done } of waiting) done.reject(error);
      for (const { stored } of messages) stored?.logged?.reject(error);
      onNotLogged({ type: 'not-logged', seq, error });
    },
  );
}
