import { SealwireError } from '../core/errors.ts';
import { FRAME_BYTES_MAX } from '../core/limits.ts';
import { checkPublishTopic } from '../core/topic.ts';

/** Topics that one line remembers to be good. */
const KNOWN_MAX = 256;

/** Judges what a line to a broker is asked to publish, by the contract of `BrokerConnection`. */
export class PublicationCheck {
  /** A line publishes on few topics, often; looking at one costs as much as all else that is done here. */
  readonly #known = new Set<string>();

  /** What is wrong with it: `topic-invalid` or `too-large`. */
  refusal(topic: string, payload: Uint8Array): SealwireError | undefined {
    if (!this.#known.has(topic)) {
      const refusal = topicRefusal(topic);
      if (refusal) return refusal;
      if (this.#known.size >= KNOWN_MAX) this.#known.clear();
      this.#known.add(topic);
    }
    if (payload.length <= FRAME_BYTES_MAX) return undefined;
    const sentence = `${payload.length} bytes are over the bound of ${FRAME_BYTES_MAX} for one publication.`;
    return new SealwireError('too-large', sentence, { hint: 'Send it in pieces.' });
  }
}

/** The refusal of whatever comes after `close`. */
export function lineClosed(remote: string): SealwireError {
  return new SealwireError('session-closed', `The line to the broker at ${remote} is closed.`);
}

function topicRefusal(topic: string): SealwireError | undefined {
  try {
    checkPublishTopic(topic);
    return undefined;
  } catch (error) {
    if (error instanceof SealwireError) return error;
    throw error;
  }
}
