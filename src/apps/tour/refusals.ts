import { eventSentence } from '../event-sentence.ts';
import type { PeerEvent } from '../open-peer.ts';
import type { Narrator } from './narrator.ts';

/** Counts the forgeries that were turned away, and tells why. */
export class Refusals {
  count = 0;
  readonly #narrator: Narrator;
  #next: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(narrator: Narrator) {
    this.#narrator = narrator;
  }

  /** Takes what happens at a peer. What merely came twice, as senders and brokers repeat things, is no forgery. */
  take(event: PeerEvent): void {
    const sentence = eventSentence(event);
    if (event.type === 'refused' && event.error.code !== 'replayed') this.add(sentence ?? '');
    else if (sentence) this.#narrator.say(sentence);
  }

  /** One more forgery. */
  add(sentence: string): void {
    this.count += 1;
    this.#narrator.verdict(false, sentence);
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** Resolves at the next refusal. */
  next(): Promise<void> {
    return this.#next.promise;
  }
}
