import { SealwireError } from '../../core/errors.ts';
import type { Eventually, Publication, Qos, Subscription, TakePublication } from '../../core/ports.ts';
import { topicMatches } from '../../core/topic.ts';

/** The broker's answer to SUBSCRIBE: what it grants, or why it refuses. */
export type Grant = { readonly qos: Qos } | { readonly refusal: string };

/** One network connection, as subscriptions see it; nothing is answered after it is gone. */
export interface SubscribeOutlet {
  subscribe(filter: string, qos: Qos, answered: (grant: Grant) => void): void;
  unsubscribe(filter: string, answered: () => void): void;
}

/** What {@link Subscriptions} tell. */
export interface SubscriptionEvents {
  /** What the broker kept from before comes at once, and may come sooner than who reads it here: it waits for that. */
  readonly isPatient: boolean;
  /** Refused on a later connection. */
  readonly onRefused: (filter: string, error: SealwireError) => void;
  /** A `take` threw. */
  readonly onTakeFailed: (topic: string, error: unknown) => void;
}

interface Reader {
  readonly filter: string;
  readonly qos: Qos;
  readonly take: TakePublication;
  /** Settles with the broker's first answer. */
  readonly granted: PromiseWithResolvers<void>;
  isGranted: boolean;
}

/** What one filter is granted, and who reads it: the broker knows of one subscription a filter. */
interface Place {
  granted: Qos;
  readonly readers: Set<Reader>;
}

/** Who reads what, over however many connections. */
export class Subscriptions {
  readonly #events: SubscriptionEvents;
  readonly #places = new Map<string, Place>();
  /** Those whose UNSUBSCRIBE is not answered yet. */
  readonly #leaving = new Set<() => void>();
  /** Nobody reads them any more, and a broker that keeps the session has not been told. */
  readonly #left = new Set<string>();
  #outlet: SubscribeOutlet | undefined;
  #isPatient: boolean;
  /** Resolves when there is another reader, or no patience any more. */
  #change: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(events: SubscriptionEvents) {
    this.#events = events;
    this.#isPatient = events.isPatient;
  }

  /** Resolves once the broker grants it, be it over a later connection; rejects with `broker-refused`. */
  async subscribe(filter: string, qos: Qos, take: TakePublication): Promise<Subscription> {
    const reader: Reader = { filter, qos, take, granted: Promise.withResolvers(), isGranted: false };
    const place = this.#places.get(filter) ?? { granted: 0, readers: new Set() };
    this.#places.set(filter, place);
    place.readers.add(reader);
    this.#changed();
    this.#ask(filter, place);
    await reader.granted.promise;
    return { qos: place.granted, unsubscribe: () => this.#unsubscribe(reader) };
  }

  /** From now on `outlet` carries; the broker is asked for everything anew. */
  attach(outlet: SubscribeOutlet): void {
    this.#outlet = outlet;
    for (const filter of this.#left) {
      if (this.#places.has(filter)) this.#left.delete(filter);
      else outlet.unsubscribe(filter, () => this.#left.delete(filter));
    }
    for (const [filter, place] of this.#places) this.#ask(filter, place);
  }

  /** The connection is gone: what was asked for is asked for again over the next one. */
  detach(): void {
    this.#outlet = undefined;
    // With the connection the broker forgets subscriptions, or is told over the next one.
    for (const leave of this.#leaving) leave();
  }

  /** True while the broker owes an answer. */
  get awaitsAnswers(): boolean {
    if (this.#leaving.size > 0) return true;
    return this.#places.values().some(({ readers }) => readers.values().some(({ isGranted }) => !isGranted));
  }

  /** Those who wait for an answer get `error`, and nobody reads any more. */
  close(error: SealwireError): void {
    this.detach();
    for (const { readers } of this.#places.values()) {
      for (const reader of readers) reader.granted.reject(error);
    }
    this.#places.clear();
    this.losePatience();
  }

  /** Gives a publication to each reader whose filter matches, one after the other; never throws nor rejects. */
  take(publication: Publication): Eventually<void> {
    const readers = this.#readersOf(publication.topic);
    if (readers.length > 0 || !this.#isPatient) return this.#handOut(publication, readers, 0);
    return this.#change.promise.then(() => this.take(publication));
  }

  /** From now on what nobody reads is nobody's. */
  losePatience(): void {
    this.#isPatient = false;
    this.#changed();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  #readersOf(topic: string): Reader[] {
    const readers: Reader[] = [];
    for (const [filter, place] of this.#places) if (topicMatches(filter, topic)) readers.push(...place.readers);
    return readers;
  }

  #handOut(publication: Publication, readers: readonly Reader[], first: number): Eventually<void> {
    for (let i = first; i < readers.length; i++) {
      const reader = readers[i];
      // Gone while another one was taking.
      if (!reader || !this.#places.get(reader.filter)?.readers.has(reader)) continue;
      const failed = (error: unknown): void => this.#events.onTakeFailed(publication.topic, error);
      try {
        // The last one may have the bytes, the others get bytes of their own.
        const isLast = i === readers.length - 1;
        const own = isLast ? publication : { ...publication, payload: publication.payload.slice() };
        const taking = reader.take(own);
        if (taking instanceof Promise) {
          return taking.catch(failed).then(() => this.#handOut(publication, readers, i + 1));
        }
      } catch (error) {
        failed(error);
      }
    }
  }

  #ask(filter: string, place: Place): void {
    const outlet = this.#outlet;
    if (!outlet) return;
    const asking = [...place.readers];
    const qos = Math.max(...asking.map((reader) => reader.qos)) as Qos;
    outlet.subscribe(filter, qos, (grant) => {
      if (outlet !== this.#outlet) return;
      if ('refusal' in grant) this.#refused(filter, asking, grant.refusal);
      else {
        place.granted = grant.qos;
        for (const reader of asking) {
          reader.isGranted = true;
          reader.granted.resolve();
        }
      }
    });
  }

  #refused(filter: string, asking: readonly Reader[], reason: string): void {
    const error = new SealwireError('broker-refused', `The broker refuses the subscription of ${filter}: ${reason}.`, {
      hint: 'Ask who runs the broker for the right to read there.',
    });
    const wasGranted = asking.some(({ isGranted }) => isGranted);
    for (const reader of asking) {
      if (reader.isGranted) continue;
      this.#forget(reader);
      reader.granted.reject(error);
    }
    if (wasGranted) this.#events.onRefused(filter, error);
  }

  async #unsubscribe(reader: Reader): Promise<void> {
    const isLast = this.#forget(reader);
    const outlet = this.#outlet;
    if (!isLast) return;
    this.#left.add(reader.filter);
    if (!outlet) return;
    const gone = Promise.withResolvers<void>();
    const leave = (): void => {
      this.#leaving.delete(leave);
      gone.resolve();
    };
    this.#leaving.add(leave);
    outlet.unsubscribe(reader.filter, () => {
      this.#left.delete(reader.filter);
      leave();
    });
    await gone.promise;
  }

  /** True where nobody is left for the filter. */
  #forget(reader: Reader): boolean {
    const place = this.#places.get(reader.filter);
    if (!place?.readers.delete(reader) || place.readers.size > 0) return false;
    this.#places.delete(reader.filter);
    return true;
  }
}
