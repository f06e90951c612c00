import { generateKeyPairSync, sign, verify } from 'node:crypto';
import type { MqttClient } from 'mqtt';
import { openPeer, type SealwireBus, type SealwirePeer } from '../../src/apps/sealwire.ts';
import { EventCounts } from './event-counts.ts';
import { cpuSeconds, serve } from './helper.ts';
import { connectPlain, unpack } from './plain.ts';
import { SignedReader } from './signed.ts';
import { ageMs, type Line, PAYLOAD_BYTES, type Place, TOPIC } from './topics.ts';

/** After so long without a message those that are still awaited are lost. */
const SILENCE_MS = 10_000;
/** What ES256 signs for a label of a session; about its length. */
const TO_BE_VERIFIED = new Uint8Array(320);

/** Everything that came on one line since it was opened. */
class Arrivals {
  count = 0;
  lastNs = 0n;
  #ages: number[] = [];
  #awaited: { readonly total: number; readonly here: PromiseWithResolvers<bigint> } | undefined;

  take(payload: Uint8Array): void {
    this.count += 1;
    this.#ages.push(ageMs(payload));
    if (this.#awaited?.total !== this.count) return;
    this.lastNs = process.hrtime.bigint();
    this.#awaited.here.resolve(this.lastNs);
    this.#awaited = undefined;
  }

  /** When the message came that made it `total`. */
  async reached(total: number): Promise<bigint> {
    if (this.count >= total) throw new Error(`${total} messages were awaited only after ${this.count} had come`);
    const here = Promise.withResolvers<bigint>();
    this.#awaited = { total, here };
    let before = -1;
    const watch = setInterval(() => {
      if (before === this.count) here.reject(new Error(`${this.count} messages came of ${total}`));
      before = this.count;
    }, SILENCE_MS);
    return await here.promise.finally(() => clearInterval(watch));
  }

  takeAges(): number[] {
    return this.#ages.splice(0);
  }
}

let peer: SealwirePeer | undefined;
let bus: SealwireBus | undefined;
let client: MqttClient | undefined;
let arrivals: Record<Line, Arrivals>;
const events = new EventCounts();

const tasks = {
  async open({ url, home, qos, tuning, store, signingKey }: Place): Promise<void> {
    const [plain, packed, signed, sealed] = [new Arrivals(), new Arrivals(), new Arrivals(), new Arrivals()];
    arrivals = { plain, packed, signed, sealed };
    const reader = new SignedReader(signingKey, PAYLOAD_BYTES);
    client = await connectPlain(url);
    client.on('message', (topic, payload) => {
      if (topic === TOPIC.plain) plain.take(payload);
      else if (topic === TOPIC.signed) reader.open(payload, (one) => signed.take(one));
      else for (const one of unpack(payload)) packed.take(one);
    });
    await client.subscribeAsync([TOPIC.plain, TOPIC.packed, TOPIC.signed], { qos });
    events.takeAll();
    peer = await openPeer({ home, tuning, onEvent: events.add });
    bus = await peer.join(url, { qos, store });
    await bus.subscribe(TOPIC.sealed);
    void drain(bus, sealed);
  },

  async close(): Promise<void> {
    await client?.endAsync();
    await peer?.close();
  },

  /** When so many messages in all had come on a line, nanoseconds; to be asked before the last of them is sent. */
  reached({ line, total }: { line: Line; total: number }): Promise<bigint> {
    return arrivals[line].reached(total);
  },

  count(line: Line): number {
    return arrivals[line].count;
  },

  /** How long each message since the last call took from its stamp to here, milliseconds. */
  ages(line: Line): number[] {
    return arrivals[line].takeAges();
  },

  /** Seconds that one bare P-256 verification takes in this process. */
  verifySeconds(count: number): number {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signature = sign('sha256', TO_BE_VERIFIED, privateKey);
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) verify('sha256', TO_BE_VERIFIED, publicKey, signature);
    return Number(process.hrtime.bigint() - start) / 1e9 / count;
  },

  takeEvents: (): Record<string, number> => events.takeAll(),

  cpuSeconds,
};

async function drain(messages: SealwireBus, into: Arrivals): Promise<void> {
  for await (const { payload } of messages) into.take(payload);
}

/** What a reader does. */
export type ReaderTasks = typeof tasks;

serve(tasks);
