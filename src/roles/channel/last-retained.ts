import type { PendingMessage } from '../send-queue.ts';

/** Topics whose retained message is remembered; a broker keeps one for each. */
const TOPICS_MAX = 1024;

/** The newest message that the broker was asked to keep, by topic. */
export class LastRetained {
  readonly #byTopic = new Map<string, PendingMessage>();

  remember(topic: string, message: PendingMessage): void {
    this.#byTopic.delete(topic);
    this.#byTopic.set(topic, message);
    const [oldest] = this.#byTopic.keys();
    if (this.#byTopic.size > TOPICS_MAX && oldest !== undefined) this.#byTopic.delete(oldest);
  }

  /** Longest remembered first. */
  all(): readonly PendingMessage[] {
    return [...this.#byTopic.values()];
  }
}
