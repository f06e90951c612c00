import { TUNING } from '../core/limits.ts';
import type {
  BrokerConnection,
  Publication,
  PublishOptions,
  Qos,
  Subscription,
  TakePublication,
} from '../core/ports.ts';
import { checkFilter, topicMatches } from '../core/topic.ts';
import { lineClosed, PublicationCheck } from './publishing.ts';
import { AsyncQueue } from './queue.ts';

/** What a client has published, as the broker sees it. */
export interface Published {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  /** The client's name. */
  readonly from: string;
}

/**
 * What the broker does with a publication in the place of delivering it: nothing, at once, later, often, or something
 * else. Whoever publishes waits for readers of what is delivered before this returns.
 */
export type Intercept = (published: Published, deliver: (published: Published) => void) => void;

/** What {@link memoryBroker} may be told. */
export interface MemoryBrokerOptions {
  /** Publications that wait for one slow client before those who publish to it wait. */
  readonly queueMax?: number;
  /** The same in bytes of payloads. */
  readonly queueBytesMax?: number;
  /** Topics with a retained publication; what is published to a further one is delivered, but not kept. */
  readonly retainedMax?: number;
  readonly intercept?: Intercept;
}

/** A broker that lives in this process. */
export interface MemoryBroker {
  /** A client's line; the name tells clients apart in {@link Published}. */
  connect(name?: string): BrokerConnection;
  /** Hands `publication` as it is to whoever subscribed; resolves when they have room for more. */
  deliver(publication: Publication): Promise<void>;
}

const RETAINED_MAX = 10_000;

/**
 * A broker in memory, for tests and for parts that live in one process. Publications reach each client in the order in
 * which they were published, asynchronously, the next one after the last was taken, at any quality of service; a client
 * that takes nothing makes those wait who publish to it. What is published with an empty payload is no longer retained.
 */
export function memoryBroker(options: MemoryBrokerOptions = {}): MemoryBroker {
  const lines = new Set<MemoryLine>();
  const retained = new Map<string, Publication>();
  let names = 0;

  const keep = ({ topic, payload }: Published): void => {
    if (payload.length === 0) retained.delete(topic);
    else if (retained.has(topic) || retained.size < (options.retainedMax ?? RETAINED_MAX)) {
      retained.set(topic, { topic, payload, retained: true });
    }
  };
  const deliver = async (publication: Publication): Promise<void> => {
    await Promise.all(Array.from(lines, (line) => line.put(publication)));
  };
  const { intercept = (published, pass) => pass(published) } = options;
  const publish = async (published: Published): Promise<void> => {
    const room: Promise<void>[] = [];
    intercept(published, (passed) => {
      if (passed.retain) keep(passed);
      room.push(deliver({ topic: passed.topic, payload: passed.payload, retained: false }));
    });
    await Promise.all(room);
  };
  return {
    connect(name = `client ${++names}`) {
      const line: MemoryLine = new MemoryLine(name, options, {
        publish,
        retained: () => retained.values(),
        leave: () => lines.delete(line),
      });
      lines.add(line);
      return line;
    },
    deliver,
  };
}

/** What a line asks of its broker. */
interface Broker {
  publish(published: Published): Promise<void>;
  retained(): Iterable<Publication>;
  leave(): void;
}

interface Reader {
  readonly filter: string;
  readonly take: TakePublication;
}

class MemoryLine implements BrokerConnection {
  readonly remote = 'memory://broker';
  readonly #name: string;
  readonly #broker: Broker;
  readonly #readers = new Set<Reader>();
  readonly #check = new PublicationCheck();
  readonly #arrived: AsyncQueue<Publication>;
  #closed = false;

  constructor(name: string, options: MemoryBrokerOptions, broker: Broker) {
    this.#name = name;
    this.#broker = broker;
    this.#arrived = new AsyncQueue(
      options.queueMax ?? TUNING.windowFramesMax,
      options.queueBytesMax ?? TUNING.windowBytesMax,
      ({ payload }) => payload.length,
    );
    // A `take` that throws, against the contract, is a fault that must not stay unseen.
    void this.#handOut();
  }

  async publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const { qos, retain = false, mayLeave } = options;
    const refusal = this.#closed ? lineClosed(this.remote) : this.#check.refusal(topic, payload);
    if (refusal) throw refusal;
    if (mayLeave && !mayLeave()) return;
    await this.#broker.publish({ topic, payload, qos, retain, from: this.#name });
  }

  async subscribe(filter: string, qos: Qos, take: TakePublication): Promise<Subscription> {
    if (this.#closed) throw lineClosed(this.remote);
    const reader = { filter: checkFilter(filter), take };
    this.#readers.add(reader);
    // As over MQTT, every reader of this line gets what the broker sends it for the new one.
    for (const kept of this.#broker.retained()) if (topicMatches(filter, kept.topic)) void this.put(kept);
    return {
      qos,
      unsubscribe: async () => {
        this.#readers.delete(reader);
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#broker.leave();
    this.#readers.clear();
    this.#arrived.drop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Queues it where somebody on this line reads it; resolves when there is room for more. */
  async put(publication: Publication): Promise<void> {
    if (this.#readersOf(publication).length > 0) await this.#arrived.push(publication);
  }

  #readersOf({ topic }: Publication): Reader[] {
    return Array.from(this.#readers).filter(({ filter }) => topicMatches(filter, topic));
  }

  async #handOut(): Promise<void> {
    for await (const publication of this.#arrived.items()) {
      for (const reader of this.#readersOf(publication)) {
        // Gone while another one was taking.
        if (!this.#readers.has(reader)) continue;
        await reader.take({ ...publication, payload: publication.payload.slice() });
      }
    }
  }
}
