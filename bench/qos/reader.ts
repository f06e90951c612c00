import type { MqttClient } from 'mqtt';
import { openPeer, type SealwireBus, type SealwirePeer } from '../../src/apps/sealwire.ts';
import { EventCounts } from '../mqtt/event-counts.ts';
import { serve } from '../mqtt/helper.ts';
import { connectPlain } from '../mqtt/plain.ts';
import { type Line, type QosPlace, TOPIC } from './message.ts';
import { type Came, Tally } from './tally.ts';

let peer: SealwirePeer | undefined;
let client: MqttClient | undefined;
let tallies: Record<Line, Tally>;
const events = new EventCounts();

const tasks = {
  async open({ url, plainUrl = url, home, qos, tuning, store, mqtt }: QosPlace): Promise<void> {
    const fresh = { plain: new Tally(), sealed: new Tally() };
    tallies = fresh;
    client = await connectPlain(plainUrl);
    client.on('message', (_topic, payload) => fresh.plain.take(payload));
    await client.subscribeAsync(TOPIC.plain, { qos });
    events.takeAll();
    peer = await openPeer({ home, tuning, onEvent: events.add });
    const bus = await peer.join(url, { qos, store, protocolVersion: mqtt });
    await bus.subscribe(TOPIC.sealed);
    void drain(bus, fresh.sealed);
  },

  async close(): Promise<void> {
    await client?.endAsync();
    await peer?.close();
  },

  /** What came so far is of no interest any more. */
  clear(): void {
    for (const tally of Object.values(tallies)) tally.clear();
    events.takeAll();
  },

  /** Messages on that line so far, each counted once. */
  distinct: (line: Line): number => tallies[line].distinct,

  came: (line: Line): Came => tallies[line].came,

  takeEvents: (): Record<string, number> => events.takeAll(),
};

async function drain(messages: SealwireBus, into: Tally): Promise<void> {
  for await (const { payload } of messages) into.take(payload);
}

/** What a reader does. */
export type ReaderTasks = typeof tasks;

serve(tasks);
