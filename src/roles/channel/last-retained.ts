import type { PendingMessage, Sent } from '../send-queue.ts';

/** Topics whose retained message is remembered; a broker keeps one for each. */
const TOPICS_MAX = 1024;

/** The newest message that the broker was asked to keep, by topic, and what is published once more of them. */
export class LastRetained {
  readonly #byTopic = new Map<string, PendingMessage>();
  readonly #copies = new WeakSet<PendingMessage>();
  /** Numbers of the messages of which a copy waits to be published. */
  readonly #waiting = new Set<number>();

  /** Topics whose message is remembered. */
  get size(): number {
    return this.#byTopic.size;
  }

  /** False where a newer one is remembered: the broker is not to keep this one in its place. */
  isNewest(topic: string, { n }: PendingMessage): boolean {
    return (this.#byTopic.get(topic)?.n ?? -1) <= n;
  }

  /** The broker was asked to keep that one. */
  remember(topic: string, message: PendingMessage): void {
    this.#byTopic.delete(topic);
    this.#byTopic.set(topic, message);
    const [oldest] = this.#byTopic.keys();
    if (this.#byTopic.size > TOPICS_MAX && oldest !== undefined) this.#byTopic.delete(oldest);
  }

  /** What is to be published once more, longest remembered first, without that of which a copy waits already. */
  copies(): PendingMessage[] {
    return [...this.#byTopic.values()].filter(({ n }) => !this.#waiting.has(n)).map((message) => this.#copy(message));
  }

  /** True for one of {@link copies}. */
  isCopy(message: PendingMessage): boolean {
    return this.#copies.has(message);
  }

  /** A message is about to be published: another copy of it may be wanted later. */
  taken(message: PendingMessage): void {
    if (this.isCopy(message)) this.#waiting.delete(message.n);
  }

  /** A message waits to be published once more. */
  queued(message: PendingMessage): void {
    if (this.isCopy(message)) this.#waiting.add(message.n);
  }

  #copy(message: PendingMessage): PendingMessage {
    const done = Promise.withResolvers<Sent>();
    const copy: PendingMessage = { ...message, until: 'sent', done };
    this.#copies.add(copy);
    this.queued(copy);
    // Whatever empties the queue: the next copy is not to wait for this one.
    done.promise.catch(() => this.taken(copy));
    return copy;
  }
}
