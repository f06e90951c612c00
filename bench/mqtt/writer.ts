import { setTimeout as sleep } from 'node:timers/promises';
import type { MqttClient } from 'mqtt';
import { openPeer, type SealwireBus, type SealwirePeer, type Sent, type StoredUntil } from '../../src/apps/sealwire.ts';
import { EventCounts } from './event-counts.ts';
import { cpuSeconds, serve } from './helper.ts';
import { connectPlain, pack, publishPlain } from './plain.ts';
import { SignedWriter } from './signed.ts';
import { type Line, PAYLOAD_BYTES, type Place, stamp, TOPIC } from './topics.ts';

/** Calls of `publish` that have not resolved at any time. */
const WINDOW = 200;

/** What is sent as fast as it goes. */
export interface Flood {
  readonly line: Line;
  readonly messages: number;
  /** Messages a publication, where they are packed by hand. */
  readonly batch?: number;
  /** How far each call waits where the line is sealed; `sent` unless told. */
  readonly until?: StoredUntil;
}

/** What a flood was. */
export interface Flooded {
  /** Nanoseconds. */
  readonly startNs: bigint;
  /** When the last call had resolved. */
  readonly endNs: bigint;
  /** Frames, or publications. */
  readonly units: number;
  /** Calls that were rejected. */
  readonly failed: number;
}

/** Single messages, one after the other with a pause, on lines that take turns. */
export interface Trickle {
  readonly lines: readonly Line[];
  readonly messages: number;
  readonly pauseMs: number;
  readonly until?: StoredUntil;
}

let place: Place;
let peer: SealwirePeer | undefined;
let bus: SealwireBus;
let client: MqttClient;
let signed: SignedWriter;
const events = new EventCounts();

const tasks = {
  async open(at: Place): Promise<void> {
    place = at;
    events.takeAll();
    signed = new SignedWriter(at.signingKey);
    client = await connectPlain(at.url);
    peer = await openPeer({ home: at.home, tuning: at.tuning, onEvent: events.add });
    bus = await peer.join(at.url, { qos: at.qos, store: at.store });
  },

  async close(): Promise<void> {
    await client.endAsync();
    await peer?.close();
  },

  async flood({ line, messages, batch = 1, until = 'sent' }: Flood): Promise<Flooded> {
    const payload = new Uint8Array(PAYLOAD_BYTES);
    const seqs = new Set<number | null>();
    const publish = publisher(line, batch, until, (sent) => seqs.add(sent.seq));
    const startNs = process.hrtime.bigint();
    const units = Math.ceil(messages / batch);
    let left = units;
    let failed = 0;
    const lane = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        try {
          await publish(payload);
        } catch {
          failed += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: WINDOW }, lane));
    const endNs = process.hrtime.bigint();
    return { startNs, endNs, units: line === 'sealed' ? seqs.size : units, failed };
  },

  /** Milliseconds that each call took, by line. */
  async trickle({ lines, messages, pauseMs, until = 'sent' }: Trickle): Promise<Record<Line, number[]>> {
    const taken: Record<Line, number[]> = { plain: [], packed: [], signed: [], sealed: [] };
    for (let i = 0; i < messages; i++) {
      for (const line of lines) {
        const payload = new Uint8Array(PAYLOAD_BYTES);
        const publish = publisher(line, 1, until, () => {});
        const start = performance.now();
        stamp(payload);
        await publish(payload);
        taken[line].push(performance.now() - start);
        if (pauseMs > 0) await sleep(pauseMs);
      }
    }
    return taken;
  },

  takeEvents: (): Record<string, number> => events.takeAll(),

  cpuSeconds,
};

function publisher(
  line: Line,
  batch: number,
  until: StoredUntil,
  onSent: (sent: Sent) => void,
): (payload: Uint8Array) => Promise<unknown> {
  const { qos } = place;
  if (line === 'sealed') {
    const options = { to: 'reader', until } as const;
    return async (payload) => onSent(await bus.publish(TOPIC.sealed, payload, options));
  }
  if (line === 'plain') return (payload) => publishPlain(client, TOPIC.plain, Buffer.from(payload.buffer), qos);
  if (line === 'signed') return (payload) => publishPlain(client, TOPIC.signed, signed.seal(payload), qos);
  return (payload) => publishPlain(client, TOPIC.packed, pack(payload, batch), qos);
}

/** What a writer does. */
export type WriterTasks = typeof tasks;

serve(tasks);
