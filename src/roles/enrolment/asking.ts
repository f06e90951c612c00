import { SealwireError } from '../../core/errors.ts';
import type { BrokerConnection, Clock, Publication } from '../../core/ports.ts';

/** The pause before a question is asked again, and what it grows to: answers get lost, and desks open late. */
const PAUSE_MS = { first: 1_000, max: 30_000 } as const;

/** One question to an authority. */
export interface Question<Answer> {
  readonly broker: BrokerConnection;
  readonly clock: Clock;
  readonly topic: string;
  readonly answerTopic: string;
  readonly payload: Uint8Array;
  readonly waitMs: number;
  /** Resolves where nobody waits any more. */
  readonly stopped?: Promise<void>;
  /** Undefined for what is no answer to this question: it is passed over. Rejects where it is one, and a bad one. */
  readonly read: (answer: Uint8Array) => Promise<Answer | undefined>;
}

/** Asks again and again until there is an answer; rejects with `timeout`, and as `subscribe` and `read` do. */
export async function ask<Answer>(question: Question<Answer>): Promise<Answer> {
  const asking = new Asking(question);
  return asking.run();
}

class Asking<Answer> {
  readonly #question: Question<Answer>;
  readonly #result = Promise.withResolvers<Answer>();
  #isOver = false;
  #pauseMs: number = PAUSE_MS.first;
  #cancelPause = (): void => {};

  constructor(question: Question<Answer>) {
    this.#question = question;
  }

  async run(): Promise<Answer> {
    const { broker, clock, answerTopic, waitMs, stopped } = this.#question;
    const subscription = await broker.subscribe(answerTopic, 1, (publication) => this.#take(publication));
    const cancel = clock.after(waitMs, () => this.#result.reject(unanswered(waitMs)));
    void stopped?.then(() => this.#result.reject(new SealwireError('session-closed', 'Nobody waits for an answer.')));
    this.#ask();
    try {
      return await this.#result.promise;
    } finally {
      this.#isOver = true;
      cancel();
      this.#cancelPause();
      await subscription.unsubscribe();
    }
  }

  #ask(): void {
    const { broker, clock, topic, payload } = this.#question;
    broker.publish(topic, payload.slice(), { qos: 1 }).catch((error: unknown) => this.#result.reject(error));
    this.#cancelPause = clock.after(this.#pauseMs, () => this.#ask());
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS.max);
  }

  async #take({ payload, retained }: Publication): Promise<void> {
    // An answer is for whoever asks now; what is kept is somebody's prank.
    if (this.#isOver || retained) return;
    try {
      const answer = await this.#question.read(payload);
      if (answer !== undefined) this.#result.resolve(answer);
    } catch (error) {
      this.#result.reject(error);
    }
  }
}

function unanswered(waitMs: number): SealwireError {
  return new SealwireError('timeout', `The authority has not answered within ${waitMs} ms.`, {
    hint: 'Is `sealwire up` running, at this broker? It does not answer to a token that it does not know.',
  });
}
