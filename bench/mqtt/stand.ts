import { setTimeout as sleep } from 'node:timers/promises';
import { parseListener } from '../../src/node/broker-listener.ts';
import { type MosquittoOptions, startMosquitto } from '../../src/node/mosquitto.ts';
import type { RunningBroker } from '../../src/node/running-broker.ts';
import { Stage } from '../../test/support/stage.ts';
import { Helper } from './helper.ts';
import type { ReaderTasks } from './reader.ts';
import { makeSigningKey } from './signed.ts';
import type { Line, Place } from './topics.ts';
import type { Flood, Trickle, WriterTasks } from './writer.ts';

/** What came of sending as fast as it goes. */
export interface Rate {
  /** From the first call until the reader has the last message. */
  readonly secondsEach: number;
  /** From the first call until the last one has resolved. */
  readonly calledSecondsEach: number;
  /** Messages a frame or publication. */
  readonly batch: number;
}

/** What became of a flood to a reader that was frozen. */
export interface Survivors {
  /** Calls of `publish` that resolved: to whoever made them, these messages are safe. */
  readonly taken: number;
  readonly came: number;
}

/** How a stand is set up. */
export interface StandOptions {
  /** Bounds of the broker's queues, where they are not to be wide. */
  readonly bounds?: Pick<MosquittoOptions, 'queuedMessagesMax' | 'inflightMessagesMax'>;
  /** What each helper connects to instead of the broker; it leads there. */
  readonly via?: (url: string) => Promise<Via>;
}

/** A way to the broker. */
export interface Via extends AsyncDisposable {
  readonly url: string;
}

type Urls = Readonly<Record<'writer' | 'reader', string>>;

const NONE: Readonly<Record<Line, number>> = { plain: 0, packed: 0, signed: 0, sealed: 0 };

/** A Mosquitto, a writer and a reader, each in a process of its own, and what they are asked for. */
export class Stand implements AsyncDisposable {
  /** Where each helper reaches the broker. */
  readonly urls: Urls;
  readonly broker: RunningBroker;
  readonly stage: Stage;
  readonly writer: Helper<WriterTasks>;
  readonly reader: Helper<ReaderTasks>;
  readonly #parts: AsyncDisposableStack;
  readonly #signingKey = makeSigningKey();
  #sent: Record<Line, number> = { ...NONE };

  /** Use {@link Stand.start}. */
  constructor(urls: Urls, broker: RunningBroker, stage: Stage, parts: AsyncDisposableStack) {
    this.urls = urls;
    this.broker = broker;
    this.stage = stage;
    this.writer = parts.use(new Helper<WriterTasks>(new URL('writer.ts', import.meta.url)));
    this.reader = parts.use(new Helper<ReaderTasks>(new URL('reader.ts', import.meta.url)));
    this.#parts = parts;
  }

  static async start(mosquitto: string, { bounds = {}, via }: StandOptions = {}): Promise<Stand> {
    const parts = new AsyncDisposableStack();
    try {
      const stage = parts.use(await Stage.open({ names: ['writer', 'reader'] }));
      const listeners = [parseListener('mqtt://127.0.0.1:0')];
      const broker = parts.use(await startMosquitto(mosquitto, { listeners, ...bounds }));
      const [address = ''] = broker.addresses;
      const reach = async (): Promise<string> => (via ? parts.use(await via(address)).url : address);
      return new Stand({ writer: await reach(), reader: await reach() }, broker, stage, parts);
    } catch (error) {
      await parts.disposeAsync();
      throw error;
    }
  }

  /** Connects both sides anew; `tuning` is both sides' too. */
  async open({
    qos,
    tuning = {},
    store = 'memory',
  }: Pick<Place, 'qos'> & Partial<Pick<Place, 'tuning' | 'store'>>): Promise<void> {
    this.#sent = { ...NONE };
    const place = (name: 'writer' | 'reader'): Place => {
      return {
        url: this.urls[name],
        home: this.stage.member(name).home,
        qos,
        tuning,
        store,
        signingKey: this.#signingKey,
      };
    };
    await this.reader.ask('open', place('reader'));
    await this.writer.ask('open', place('writer'));
    // The session is made by then, and has lost its first message's wait.
    await this.flood({ line: 'sealed', messages: 1 });
  }

  /** Both sides leave, in order. */
  async close(): Promise<void> {
    await this.writer.ask('close', undefined);
    await this.reader.ask('close', undefined);
  }

  /** Has the writer send as fast as it goes, and waits until the reader has all of it. */
  async flood({ batch = 1, ...flood }: Flood): Promise<Rate> {
    const messages = Math.ceil(flood.messages / batch) * batch;
    this.#sent[flood.line] += messages;
    const reached = this.reader.ask('reached', { line: flood.line, total: this.#sent[flood.line] });
    const [{ startNs, endNs, units, failed }, lastNs] = await Promise.all([
      this.writer.ask('flood', { batch, ...flood }),
      reached,
    ]);
    if (failed > 0) throw new Error(`${failed} of ${messages} messages were not taken`);
    const each = (ns: bigint): number => Number(ns - startNs) / 1e9 / messages;
    return { secondsEach: each(lastNs), calledSecondsEach: each(endNs), batch: messages / units };
  }

  /** As {@link Stand.flood} where some may be lost: gives how many came until none did for `quietMs`. */
  async floodAndCount(flood: Flood, freezeMs: number, quietMs: number): Promise<Survivors> {
    const before = await this.reader.ask('count', flood.line);
    this.reader.freeze();
    const flooding = this.writer.ask('flood', flood);
    await sleep(freezeMs);
    this.reader.thaw();
    const { failed } = await flooding;
    let came = -1;
    for (let now = 0; now !== came; ) {
      came = now;
      await sleep(quietMs);
      now = (await this.reader.ask('count', flood.line)) - before;
    }
    this.#sent[flood.line] = before + came;
    return { taken: flood.messages - failed, came };
  }

  /** Has the writer send one message at a time; milliseconds of each on its way, and of each call, by line. */
  async trickle(trickle: Trickle): Promise<{ readonly ways: Ages; readonly calls: Ages }> {
    for (const line of trickle.lines) await this.reader.ask('ages', line);
    const reached = trickle.lines.map((line) => {
      this.#sent[line] += trickle.messages;
      return this.reader.ask('reached', { line, total: this.#sent[line] });
    });
    const [calls] = await Promise.all([this.writer.ask('trickle', trickle), ...reached]);
    const ways: Record<Line, number[]> = { plain: [], packed: [], signed: [], sealed: [] };
    for (const line of trickle.lines) ways[line].push(...(await this.reader.ask('ages', line)));
    return { ways, calls };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** Milliseconds of single messages, by line. */
export type Ages = Readonly<Record<Line, readonly number[]>>;
