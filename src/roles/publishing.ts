import { SealwireError } from '../core/errors.ts';
import { FRAME_BYTES_MAX } from '../core/limits.ts';
import { checkPublishTopic } from '../core/topic.ts';

/** What is wrong with a publication that a line to a broker is asked to make, by the contract of `BrokerConnection`. */
export function publicationRefusal(topic: string, payload: Uint8Array): SealwireError | undefined {
  try {
    checkPublishTopic(topic);
  } catch (error) {
    if (error instanceof SealwireError) return error;
    throw error;
  }
  if (payload.length <= FRAME_BYTES_MAX) return undefined;
  return new SealwireError(
    'too-large',
    `${payload.length} bytes are over the bound of ${FRAME_BYTES_MAX} for one publication.`,
    {
      hint: 'Send it in pieces.',
    },
  );
}

/** The refusal of whatever comes after `close`. */
export function lineClosed(remote: string): SealwireError {
  return new SealwireError('session-closed', `The line to the broker at ${remote} is closed.`);
}
