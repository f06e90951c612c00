import { SealwireError } from '../core/errors.ts';
import type { Kind } from '../core/kinds.ts';
import { BODY_BYTES_MAX, FRAME_BYTES_MAX } from '../core/limits.ts';
import { checkTopic } from '../core/topic.ts';
import type { SendUntil } from './send-queue.ts';

const UNTIL: ReadonlySet<SendUntil> = new Set<SendUntil>(['sent', 'delivered', 'logged']);

/** What a caller says of one message. */
export interface OutgoingMessage {
  readonly kind: Kind;
  /** The application topic it is about; null for the reader as such. */
  readonly topic: string | null;
  readonly contentType: number | string;
  readonly payload: Uint8Array;
  /** Milliseconds since 1970 after which it must not be delivered; rounded up to a second. */
  readonly expiresAtMs: number | null;
  readonly until: SendUntil;
}

/**
 * What the far end would refuse is refused here, before it takes a place in the stream: throws `too-large`, `usage`,
 * `topic-invalid`, and `not-logged` where it is to be and there is no notary.
 */
export function checkMessage(message: OutgoingMessage, isLogged: boolean): void {
  const { until, topic, contentType, payload, expiresAtMs } = message;
  if (topic !== null) checkTopic(topic);
  if (!(payload instanceof Uint8Array)) {
    throw new SealwireError('usage', 'A payload is a Uint8Array.', { hint: 'Encode text with a TextEncoder.' });
  }
  if (!UNTIL.has(until)) {
    throw new SealwireError('usage', `A message cannot wait until ${JSON.stringify(until)}.`, {
      hint: 'Say sent, delivered or logged.',
    });
  }
  if (payload.length > BODY_BYTES_MAX) throw tooLargeMessage(payload.length);
  if (typeof contentType === 'number' && !(Number.isSafeInteger(contentType) && contentType >= 0)) {
    throw new SealwireError('usage', `A content type is a whole number or a media type, not ${contentType}.`);
  }
  if (expiresAtMs !== null && !(expiresAtMs >= 0 && Number.isSafeInteger(Math.ceil(expiresAtMs)))) {
    throw new SealwireError('usage', `An expiry is in milliseconds since 1970, not ${expiresAtMs}.`);
  }
  // Found out later it would look like a failure, and whoever tries again would send twice.
  if (until === 'logged' && !isLogged) throw noNotary();
}

/** The refusal of a message that takes so many bytes in a body. */
export function tooLargeMessage(bytes: number): SealwireError {
  return new SealwireError('too-large', `A message of ${bytes} bytes does not fit a frame of ${FRAME_BYTES_MAX}.`, {
    hint: 'Split it into smaller messages.',
  });
}

function noNotary(): SealwireError {
  return new SealwireError('not-logged', 'There is no notary to log this message with; it was not sent.', {
    hint: 'Open the peer with a notary, or wait for `delivered` only.',
  });
}
