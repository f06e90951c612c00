import type { Publication } from '../../src/core/ports.ts';
import {
  type Intercept,
  type MemoryBroker,
  type MemoryBrokerOptions,
  memoryBroker,
  type Published,
} from '../../src/roles/memory-broker.ts';

/** A broker in memory that does with publications what a test tells it to. */
export interface HostileBroker extends Omit<MemoryBroker, 'deliver'> {
  /** Everything that clients published, in order, as they published it. */
  readonly seen: readonly Published[];
  /** Resolves with the first `count` of what was seen that `which` holds for, once there are so many. */
  see(count: number, which?: (published: Published) => boolean): Promise<Published[]>;
  /**
   * What happens from now on: `deliver` not called drops, called twice doubles, called later delays or reorders,
   * called with something else alters. Without an argument the broker is honest again.
   */
  tamper(intercept?: Intercept): void;
  /** Hands out a publication that no client made, on any topic, to whoever subscribed. */
  publishRaw(publication: Partial<Publication> & Pick<Publication, 'topic' | 'payload'>): Promise<void>;
  /** Hands out once more what was seen. */
  replay(published: Published): Promise<void>;
}

/** Starts honest. */
export function hostileBroker(options: Omit<MemoryBrokerOptions, 'intercept'> = {}): HostileBroker {
  const honest: Intercept = (published, deliver) => deliver(published);
  const seen: Published[] = [];
  let change = Promise.withResolvers<void>();
  let current = honest;
  const broker = memoryBroker({
    ...options,
    intercept: (published, deliver) => {
      // A client may go on to use the bytes that it published.
      seen.push({ ...published, payload: published.payload.slice() });
      change.resolve();
      change = Promise.withResolvers();
      current(published, deliver);
    },
  });
  return {
    seen,
    connect: broker.connect,
    tamper: (intercept = honest) => {
      current = intercept;
    },
    publishRaw: (publication) => broker.deliver({ retained: false, ...publication }),
    replay: ({ topic, payload }) => broker.deliver({ topic, payload, retained: false }),
    see: async (count, which = () => true) => {
      for (;;) {
        const found = seen.filter(which);
        if (found.length >= count) return found.slice(0, count);
        await change.promise;
      }
    },
  };
}
