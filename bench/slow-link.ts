import { parseListener } from '../src/node/broker-listener.ts';
import { findMosquitto, startMosquitto } from '../src/node/mosquitto.ts';
import { Link } from '../test/support/link/link.ts';
import { Stage } from '../test/support/stage.ts';
import { median } from './measure.ts';
import { Helper } from './mqtt/helper.ts';
import type { ReaderTasks } from './qos/reader.ts';
import type { WriterTasks } from './qos/writer.ts';
import type { Bench, BenchOptions, Row } from './row.ts';

const NAMES = ['slow-link', 'slow-link-unbatched'] as const;

const MESSAGES = 2000;
/** What the broker takes at once: ours keeps to it, and plain MQTT.js is made to. */
const WINDOW = 200;
const ONE_WAY_MS = 150;
/** Between either side and the broker, each line with chance of its own. */
const STALLS = { afterMs: [300, 1200], forMs: [50, 300] } as const;
/** Packed into few frames all is over in a second or so: then each line is to break within that. */
const BATCHED = { tuning: {}, cutAfterMs: [200, 900] } as const;
const UNBATCHED = { tuning: { batchMax: 1 }, cutAfterMs: [1000, 3000] } as const;
const SEEDS = [1, 2, 3];

type Way = typeof BATCHED | typeof UNBATCHED;

/** What one round found; times in seconds. */
interface Round {
  readonly plainS: number;
  readonly sealedS: number;
  /** Of both lines. */
  readonly cuts: number;
  readonly stalls: number;
}

/** A writer and a reader far from their broker, on two lines each: a good one for plain MQTT.js, a bad one for us. */
class FarPair implements AsyncDisposable {
  readonly writer: Helper<WriterTasks>;
  readonly reader: Helper<ReaderTasks>;
  readonly bad: Link[] = [];
  readonly #parts: AsyncDisposableStack;

  private constructor(parts: AsyncDisposableStack) {
    this.#parts = parts;
    this.writer = parts.use(new Helper<WriterTasks>(new URL('qos/writer.ts', import.meta.url)));
    this.reader = parts.use(new Helper<ReaderTasks>(new URL('qos/reader.ts', import.meta.url)));
  }

  /** Both have joined, and their lines are calm. */
  static async open(mosquitto: string, seed: number, { tuning, cutAfterMs }: Way): Promise<FarPair> {
    const parts = new AsyncDisposableStack();
    try {
      const stage = parts.use(await Stage.open({ names: ['writer', 'reader'] }));
      const listeners = [parseListener('mqtt://127.0.0.1:0')];
      const broker = parts.use(await startMosquitto(mosquitto, { listeners, inflightMessagesMax: WINDOW }));
      const [address = ''] = broker.addresses;
      const pair = new FarPair(parts);
      const place = async (name: 'writer' | 'reader', line: number) => {
        const plan = { delayMs: ONE_WAY_MS, cut: { afterMs: cutAfterMs }, stall: STALLS, seed: 2 * seed + line };
        const good = parts.use(await Link.open(address, { delayMs: ONE_WAY_MS }));
        const bad = parts.use(await Link.open(address, plan));
        bad.calm();
        pair.bad.push(bad);
        return {
          url: bad.url,
          plainUrl: good.url,
          home: stage.member(name).home,
          qos: 1,
          tuning,
          store: 'disk',
          mqtt: 5,
        } as const;
      };
      await pair.reader.ask('open', await place('reader', 0));
      await pair.writer.ask('open', await place('writer', 1));
      await pair.reader.ask('clear', undefined);
      return pair;
    } catch (error) {
      await parts.disposeAsync();
      throw error;
    }
  }

  async measure(): Promise<Round> {
    const burst = { messages: MESSAGES, window: WINDOW };
    const plainS = await this.writer.ask('burst', { line: 'plain', ...burst });
    for (const link of this.bad) link.rage();
    const sealedS = await this.writer.ask('burst', { line: 'sealed', ...burst });
    for (const link of this.bad) link.calm();
    const { times } = await this.reader.ask('came', 'sealed');
    // The writer numbers from 0, and its first message made the session.
    const isOnce = times.subarray(1, 1 + MESSAGES).every((count) => count === 1);
    if (!isOnce) throw new Error('a message was confirmed and has not come exactly once');
    const count = (type: 'cut' | 'stall'): number => this.bad.reduce((sum, link) => sum + link.count(type), 0);
    return { plainS, sealedS, cuts: count('cut'), stalls: count('stall') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

async function row(name: (typeof NAMES)[number], mosquitto: string, way: Way): Promise<Row> {
  const rounds: Round[] = [];
  for (const seed of SEEDS) {
    await using pair = await FarPair.open(mosquitto, seed, way);
    rounds.push(await pair.measure());
  }
  const medianOf = (of: (round: Round) => number): number => median(rounds.map(of));
  const faults = `${medianOf(({ cuts }) => cuts)} cuts and ${medianOf(({ stalls }) => stalls)} stalls`;
  return {
    name,
    value: MESSAGES / medianOf(({ sealedS }) => sealedS),
    unit: 'messages/s',
    ratio: medianOf(({ plainS, sealedS }) => plainS / sealedS),
    against: `plain MQTT.js, ${WINDOW} under way, lines of 300 ms that never break, until the broker has all; ours with ${faults}, until the reader has confirmed all`,
  };
}

async function run({ large }: BenchOptions): Promise<Row[]> {
  const mosquitto = findMosquitto();
  if (mosquitto === undefined) {
    process.stderr.write('bench: no mosquitto here, so slow-link is left out (Debian: apt-get install mosquitto)\n');
    return [];
  }
  const batched = await row('slow-link', mosquitto, BATCHED);
  return large ? [batched, await row('slow-link-unbatched', mosquitto, UNBATCHED)] : [batched];
}

/**
 * How fast 2,000 messages of 256 bytes at QoS 1 get over lines with a round trip of 300 ms, on both sides of the broker,
 * that break and stall: as many messages as may share a frame do, and with `--large` once more with one a frame, whose
 * window then waits for the reader over two lines where plain MQTT.js waits for the broker over one.
 */
export const slowLink: Bench = { names: NAMES, run };
