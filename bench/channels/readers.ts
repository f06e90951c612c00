import { parentPort } from 'node:worker_threads';
import type { Publication, TakePublication } from '../../src/core/ports.ts';
import type { Bus } from '../../src/roles/bus/bus.ts';
import { memoryBroker } from '../../src/roles/memory-broker.ts';
import { type FromFleet, join, type ToFleet } from './fleet.ts';

/** The broker and all readers of `grant-cpu-ms`, in a thread of their own: what they cost is none of the writer's. */
const broker = memoryBroker();
const writer = broker.connect('writer');
const FILTER = 'plant/#';
const buses: Bus[] = [];
let last: Publication | undefined;

function tell(message: FromFleet): void {
  parentPort?.postMessage(message);
}

async function takeIn(reader: number): Promise<void> {
  const line = broker.connect();
  let take: TakePublication = () => {};
  const bus = await join(reader, {
    remote: line.remote,
    publish: (...what) => line.publish(...what),
    // The others have the frame already: it is handed to this one alone.
    async subscribe(filter, qos, taking) {
      if (filter === FILTER) take = taking;
      return line.subscribe(filter, qos, taking);
    },
    close: () => line.close(),
    [Symbol.asyncDispose]: () => line.close(),
  });
  buses.push(bus);
  await bus.subscribe(FILTER);
  if (last) await take(last);
  const { done } = await bus[Symbol.asyncIterator]().next();
  if (done) throw new Error('the reader got nothing');
  tell({ type: 'joined', reader });
}

async function obey(message: ToFleet): Promise<void> {
  if (message.type === 'join') return takeIn(message.reader);
  if (message.type === 'leave') {
    await Promise.all(buses.map((bus) => bus.close()));
    return tell({ type: 'left' });
  }
  if (message.type === 'subscribe') {
    const { id, filter, qos } = message;
    await writer.subscribe(filter, qos, ({ topic, payload }) => tell({ type: 'publication', id, topic, payload }));
    return tell({ type: 'subscribed', id });
  }
  const { topic, payload, qos } = message;
  if (topic.startsWith('plant/')) last = { topic, payload, retained: false };
  await writer.publish(topic, payload, { qos });
}

parentPort?.on('message', (message) => void obey(message as ToFleet));
