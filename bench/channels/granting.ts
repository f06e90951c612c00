import { Worker } from 'node:worker_threads';
import type { BrokerConnection, Subscription, TakePublication } from '../../src/core/ports.ts';
import { memoryBroker } from '../../src/roles/memory-broker.ts';
import { Turns } from '../../src/roles/turns.ts';
import { median } from '../measure.ts';
import { type FromFleet, join, READERS, type ToFleet } from './fleet.ts';

/** Readers that come at once: as many as a writer answers without a pause. */
const CROWD = 32;
/** Crowds that come to other writers in this thread before: until the code is compiled for good. */
const WARM_UP_CROWDS = 10;
const CROWDS = 7;
/** Until delivery receipts have come and gone, and as many strangers may begin a handshake again. */
const SETTLE_MS = 1_200;

/** The other thread, and the writer's line to the broker there. */
class Fleet implements BrokerConnection {
  readonly remote = 'memory://fleet';
  readonly #worker = new Worker(new URL('readers.ts', import.meta.url));
  readonly #takes = new Map<number, TakePublication>();
  readonly #granted = new Map<number, () => void>();
  readonly #joined = new Map<number, () => void>();
  readonly #left = Promise.withResolvers<void>();
  readonly #turns = new Turns();

  constructor() {
    this.#worker.on('message', (message) => this.#take(message as FromFleet));
  }

  async publish(topic: string, payload: Uint8Array, { qos }: { readonly qos: 0 | 1 | 2 }): Promise<void> {
    this.#tell({ type: 'publish', topic, payload, qos });
  }

  async subscribe(filter: string, qos: 0 | 1 | 2, take: TakePublication): Promise<Subscription> {
    const id = this.#takes.size;
    this.#takes.set(id, take);
    const granted = new Promise<void>((resolve) => this.#granted.set(id, resolve));
    this.#tell({ type: 'subscribe', id, filter, qos });
    await granted;
    return { qos, unsubscribe: async () => {} };
  }

  /** Resolves when that reader has come, got its keys and opened a frame. */
  join(reader: number): Promise<void> {
    const joined = new Promise<void>((resolve) => this.#joined.set(reader, resolve));
    this.#tell({ type: 'join', reader });
    return joined;
  }

  /** Resolves when all readers have left. */
  leave(): Promise<void> {
    this.#tell({ type: 'leave' });
    return this.#left.promise;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #tell(message: ToFleet): void {
    this.#worker.postMessage(message);
  }

  #take(message: FromFleet): void {
    if (message.type === 'subscribed') this.#granted.get(message.id)?.();
    else if (message.type === 'joined') this.#joined.get(message.reader)?.();
    else if (message.type === 'left') this.#left.resolve();
    else {
      const { id, topic, payload } = message;
      void this.#turns.run(async () => this.#takes.get(id)?.({ topic, payload, retained: false }));
    }
  }
}

/**
 * Milliseconds of processor time that this thread, which has nobody but the writer, takes for one new reader: the
 * handshake, the request, the grant and all receipts, and what it costs to hand messages to another thread and back.
 */
export async function grantCpuMs(): Promise<number> {
  const leaving: Promise<void>[] = [];
  for (let crowd = 0; crowd < WARM_UP_CROWDS; crowd++) leaving.push(...(await warmUp((crowd * CROWD) % READERS)));
  await Promise.all(leaving);
  await using fleet = new Fleet();
  const bus = await join('writer', fleet);
  await bus.publishInChannel('plant/load', new Uint8Array(256));
  const costs: number[] = [];
  for (let crowd = 0; crowd < CROWDS; crowd++) {
    const before = process.threadCpuUsage();
    await Promise.all(Array.from({ length: CROWD }, (_, i) => fleet.join(crowd * CROWD + i + 1)));
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const { user, system } = process.threadCpuUsage(before);
    costs.push((user + system) / 1000 / CROWD);
  }
  await fleet.leave();
  await bus.close();
  return median(costs);
}

/** A writer and its readers, from number `after` + 1 on, in this thread; gives their leaving, which takes a while. */
async function warmUp(after: number): Promise<Promise<void>[]> {
  const broker = memoryBroker();
  const joining = Array.from({ length: CROWD + 1 }, (_, i) => join(i === 0 ? 'writer' : after + i, broker.connect()));
  const [writer, ...readers] = await Promise.all(joining);
  await Promise.all(readers.map((reader) => reader.subscribe('plant/#')));
  await writer?.publishInChannel('plant/load', new Uint8Array(256));
  await Promise.all(readers.map((reader) => reader[Symbol.asyncIterator]().next()));
  return [...readers, ...(writer ? [writer] : [])].map((bus) => bus.close());
}
