import { setTimeout as sleep } from 'node:timers/promises';
import type { MqttClient } from 'mqtt';
import { openPeer, type SealwireBus, type SealwirePeer, type SendUntil } from '../../src/apps/sealwire.ts';
import { EventCounts } from '../mqtt/event-counts.ts';
import { serve } from '../mqtt/helper.ts';
import { connectPlain, publishPlain } from '../mqtt/plain.ts';
import type { Told } from './account.ts';
import { type Line, messageOf, type QosPlace, TOPIC } from './message.ts';

/** What is sent as fast as it goes. */
export interface Flood {
  readonly line: Line;
  /** Ends it, whichever comes first. */
  readonly messagesMax: number;
  readonly timeMs: number;
  /** Calls that have not resolved at any time. */
  readonly underWay: number;
  /** How far each call waits where the line is sealed. */
  readonly until: SendUntil;
}

/** What a flood was. */
export interface Flooded extends Told {
  /** When the first call was made, nanoseconds. */
  readonly startNs: bigint;
}

/** So many at once, as far as a window lets them. */
export interface Burst {
  readonly line: Line;
  readonly messages: number;
  /** Publications that the other side has not acknowledged at any time: the broker's word or, where the line is sealed, the reader's. */
  readonly window: number;
}

/** One message each so often on each of the lines, whatever became of those before. */
export interface Steady {
  readonly lines: readonly Line[];
  readonly messages: number;
  readonly everyMs: number;
}

/** By line. */
export type CallsMs = Record<Line, number[]>;

let place: QosPlace;
let peer: SealwirePeer | undefined;
let bus: SealwireBus;
let client: MqttClient;
let numbers: Record<Line, number>;
const events = new EventCounts();

const tasks = {
  async open(at: QosPlace): Promise<void> {
    place = at;
    numbers = { plain: 0, sealed: 0 };
    client = await connectPlain(at.plainUrl ?? at.url);
    peer = await openPeer({ home: at.home, tuning: at.tuning, onEvent: events.add });
    bus = await peer.join(at.url, { qos: at.qos, store: at.store, protocolVersion: at.mqtt });
    // The first one makes the session; nothing of it is to be under way any more when something is measured.
    // Over long lines QoS 0 may tell it as lost; whether it came, the reader is asked.
    for (const line of ['plain', 'sealed'] as const) await send(line, 'delivered').done.catch(() => {});
    events.takeAll();
  },

  async close(): Promise<void> {
    await client.endAsync();
    await peer?.close();
  },

  async flood({ line, messagesMax, timeMs, underWay, until }: Flood): Promise<Flooded> {
    const [safe, failed]: number[][] = [[], []];
    if (!safe || !failed) throw new Error('both are there');
    const startNs = process.hrtime.bigint();
    const endMs = performance.now() + timeMs;
    let left = messagesMax;
    const lane = async (): Promise<void> => {
      for (; left > 0 && performance.now() < endMs; ) {
        left -= 1;
        const { number, done } = send(line, until);
        await done.then(
          () => safe.push(number),
          () => failed.push(number),
        );
      }
    };
    await Promise.all(Array.from({ length: underWay }, lane));
    return { startNs, safe, failed };
  },

  /** Seconds until the writer knew that the broker, or where the line is sealed the reader, had all of them. */
  async burst({ line, messages, window }: Burst): Promise<number> {
    const startMs = performance.now();
    let left = messages;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await send(line, 'delivered').done;
    };
    // Ours has a window of its own, of frames; plain MQTT.js would send all that it is given.
    await Promise.all(Array.from({ length: line === 'plain' ? window : messages }, lane));
    return (performance.now() - startMs) / 1000;
  },

  /** Milliseconds after which the writer knew that the broker, or where the line is sealed the reader, had each message. */
  async steady({ lines, messages, everyMs }: Steady): Promise<CallsMs> {
    const calls: CallsMs = { plain: [], sealed: [] };
    const all: Promise<unknown>[] = [];
    for (let i = 0; i < messages; i++) {
      for (const line of lines) {
        const start = performance.now();
        const { done } = send(line, 'delivered');
        const known = (): unknown => calls[line].push(performance.now() - start);
        all.push(done.then(known, () => {}));
      }
      await sleep(everyMs);
    }
    await Promise.all(all);
    return calls;
  },

  takeEvents: (): Record<string, number> => events.takeAll(),
};

function send(line: Line, until: SendUntil): { readonly number: number; readonly done: Promise<unknown> } {
  const number = numbers[line]++;
  const payload = messageOf(number);
  const done =
    line === 'plain'
      ? publishPlain(client, TOPIC.plain, Buffer.from(payload.buffer), place.qos)
      : bus.publish(TOPIC.sealed, payload, { to: 'reader', until });
  return { number, done };
}

/** What a writer does. */
export type WriterTasks = typeof tasks;

serve(tasks);
