import { setTimeout as sleep } from 'node:timers/promises';
import { TUNING } from '../../src/core/limits.ts';
import { accountOf } from './account.ts';
import { QUIET_MS, underWayOf } from './flood.ts';
import type { OverloadRow } from './rows.ts';
import { MOSQUITTO_DEFAULTS, Station } from './station.ts';

/** What is sent to a reader that hangs, and how. */
type Overload = Pick<OverloadRow, 'line' | 'qos' | 'batchMax' | 'mqtt' | 'queuedMessagesMax' | 'hangMs'> & {
  readonly messages: number;
};

const QOS = [0, 1, 2] as const;
const HANG_MS = 2_000;
/** At QoS 1 and 2 the queue of a default Mosquitto overflows several times; at 0 more lies in the buffers of sockets. */
const MESSAGES = { 0: 40_000, 1: 5_000, 2: 5_000 } as const;
const PLAIN = {
  line: 'plain',
  batchMax: 1,
  mqtt: 5,
  hangMs: HANG_MS,
  queuedMessagesMax: MOSQUITTO_DEFAULTS.queuedMessagesMax,
} as const;
const SEALED = { ...PLAIN, line: 'sealed', batchMax: TUNING.batchMax } as const;
/** Fewer than our window: as where ten writers share a queue. At MQTT 5 we announce that we take more at once. */
const CROWDED = { ...SEALED, batchMax: 1, messages: 5_000, mqtt: 4, queuedMessagesMax: 100 } as const;
/** Longer than a silent reader is waited for before it is offered another session, and more than goes in a moment. */
const LONG = { ...SEALED, batchMax: 1, messages: 30_000, hangMs: 8_000 } as const;

const OVERLOADS: readonly Overload[] = [
  ...QOS.map((qos) => ({ ...PLAIN, qos, messages: MESSAGES[qos] })),
  ...QOS.map((qos) => ({ ...SEALED, qos, messages: MESSAGES[qos] })),
  ...QOS.map((qos) => ({ ...SEALED, qos, messages: 5_000, batchMax: 1 })),
  { ...LONG, qos: 1 },
  ...QOS.map((qos) => ({ ...CROWDED, qos })),
];

/** One row after the other: the reader hangs while all is sent, goes on, and what has come by then is counted. */
export async function* measureOverloads(mosquitto: string): AsyncIterableIterator<OverloadRow> {
  for (const queuedMessagesMax of new Set(OVERLOADS.map((overload) => overload.queuedMessagesMax))) {
    await using station = await Station.start(mosquitto, queuedMessagesMax);
    for (const overload of OVERLOADS) {
      if (overload.queuedMessagesMax === queuedMessagesMax) yield await measureOverload(station, overload);
    }
  }
}

function measureOverload(station: Station, { messages, ...overload }: Overload): Promise<OverloadRow> {
  const { line, qos, batchMax, mqtt, hangMs } = overload;
  return station.joined({ qos, roundTripMs: 0, tuning: { batchMax }, mqtt }, async () => {
    // Whoever waits for receipts has all calls under way, or nothing would pile up; bounded by our own queue.
    const underWay = line === 'sealed' ? messages : underWayOf(line, qos);
    const flood = {
      line,
      messagesMax: messages,
      timeMs: Number.POSITIVE_INFINITY,
      underWay,
      until: 'delivered',
    } as const;
    await station.clear();
    station.reader.freeze();
    const flooding = station.writer.ask('flood', flood);
    await sleep(hangMs);
    station.reader.thaw();
    const told = await flooding;
    await station.arrived(line, messages, QUIET_MS.plain);
    const { times, lastNs } = await station.reader.ask('came', line);
    const { repaired = 0 } = await station.writer.ask('takeEvents', undefined);
    const seconds = Number(lastNs - told.startNs) / 1e9;
    return { measured: 'overload', ...overload, ...accountOf(told, times), repaired, seconds };
  });
}
