import type { PeerEvent } from '../../src/apps/open-peer.ts';
import type { ErrorCode } from '../../src/core/errors.ts';

/** One of the types of events that a peer tells of. */
export type EventType = PeerEvent['type'];

/** Events of one type. */
export type EventOf<Type extends EventType> = Extract<PeerEvent, { readonly type: Type }>;

/** Keeps what a peer tells beside messages, and waits for what it is to tell. */
export class EventLog {
  readonly #events: PeerEvent[] = [];
  #change = Promise.withResolvers<void>();

  /** Takes one event: a peer's `onEvent`. */
  readonly take = (event: PeerEvent): void => {
    this.#events.push(event);
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  };

  /** Those of one type so far, in order. */
  of<Type extends EventType>(type: Type): EventOf<Type>[] {
    return this.#events.filter((event): event is EventOf<Type> => event.type === type);
  }

  /** The codes of what was turned away so far, in order. */
  codes(type: 'refused' | 'handshake-refused' | 'not-logged' | 'notary-trouble' = 'refused'): ErrorCode[] {
    return this.of(type).map(({ error }) => error.code);
  }

  /** Resolves with the first `count` of one type once there are so many. */
  async atLeast<Type extends EventType>(count: number, type: Type): Promise<EventOf<Type>[]> {
    for (;;) {
      const found = this.of(type);
      if (found.length >= count) return found.slice(0, count);
      await this.#change.promise;
    }
  }

  /** Resolves with the first of one type, whether it was or is to come. */
  async first<Type extends EventType>(type: Type): Promise<EventOf<Type>> {
    const [event] = await this.atLeast(1, type);
    if (!event) throw new Error('there is one by now');
    return event;
  }
}
