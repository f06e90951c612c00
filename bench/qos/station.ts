import { setTimeout as sleep } from 'node:timers/promises';
import type { Qos } from '../../src/core/ports.ts';
import { parseListener } from '../../src/node/broker-listener.ts';
import { startMosquitto } from '../../src/node/mosquitto.ts';
import type { RunningBroker } from '../../src/node/running-broker.ts';
import type { MqttVersion } from '../../src/roles/mqtt/options.ts';
import type { SessionTuning } from '../../src/roles/session-context.ts';
import { Link } from '../../test/support/link/link.ts';
import { Stage } from '../../test/support/stage.ts';
import { Helper } from '../mqtt/helper.ts';
import type { Line, QosPlace } from './message.ts';
import type { ReaderTasks } from './reader.ts';
import type { WriterTasks } from './writer.ts';

/** What a Mosquitto does that nobody has configured: mosquitto.conf(5). */
export const MOSQUITTO_DEFAULTS = { queuedMessagesMax: 1000, queuedBytesMax: 0, inflightMessagesMax: 20 } as const;

const POLL_MS = 50;
const QUIET_FIRST_MS = 2_000;

/** How both sides join. */
export interface Joining {
  readonly qos: Qos;
  /** Between each side and the broker, there and back. */
  readonly roundTripMs: number;
  readonly tuning?: Partial<SessionTuning>;
  /** 5 unless told. */
  readonly mqtt?: MqttVersion;
}

/** A Mosquitto, a writer and a reader, each in a process of its own, as far apart as is asked for. */
export class Station implements AsyncDisposable {
  readonly writer: Helper<WriterTasks>;
  readonly reader: Helper<ReaderTasks>;
  /** Of Mosquitto. */
  readonly version: string;
  readonly #stage: Stage;
  readonly #broker: string;
  readonly #parts: AsyncDisposableStack;

  /** Use {@link Station.start}. */
  constructor(stage: Stage, broker: RunningBroker, parts: AsyncDisposableStack) {
    this.#stage = stage;
    this.#broker = broker.addresses[0] ?? '';
    this.version = /version (\S+)/.exec(broker.log.join('\n'))?.[1] ?? 'unknown';
    this.writer = parts.use(new Helper<WriterTasks>(new URL('writer.ts', import.meta.url)));
    this.reader = parts.use(new Helper<ReaderTasks>(new URL('reader.ts', import.meta.url)));
    this.#parts = parts;
  }

  /** `queuedMessagesMax` is how many messages wait in the broker for one reader. */
  static async start(
    mosquitto: string,
    queuedMessagesMax: number = MOSQUITTO_DEFAULTS.queuedMessagesMax,
  ): Promise<Station> {
    await using parts = new AsyncDisposableStack();
    const stage = parts.use(await Stage.open({ names: ['writer', 'reader'] }));
    const bounds = { ...MOSQUITTO_DEFAULTS, queuedMessagesMax };
    const listeners = [parseListener('mqtt://127.0.0.1:0')];
    const broker = parts.use(await startMosquitto(mosquitto, { listeners, ...bounds }));
    return new Station(stage, broker, parts.move());
  }

  /** Has both sides join, does `measure`, and has both leave. */
  async joined<T>({ qos, roundTripMs, tuning = {}, mqtt = 5 }: Joining, measure: () => Promise<T>): Promise<T> {
    await using lines = new AsyncDisposableStack();
    const place = async (name: 'writer' | 'reader'): Promise<QosPlace> => {
      const delayMs = roundTripMs / 2;
      const url = delayMs === 0 ? this.#broker : lines.use(await Link.open(this.#broker, { delayMs })).url;
      return { url, home: this.#stage.member(name).home, qos, tuning, store: 'memory', mqtt };
    };
    await this.reader.ask('open', await place('reader'));
    await this.writer.ask('open', await place('writer'));
    for (const line of ['plain', 'sealed'] as const) await this.arrived(line, 1, QUIET_FIRST_MS);
    const found = await measure();
    await this.writer.ask('close', undefined);
    await this.reader.ask('close', undefined);
    return found;
  }

  /** What happened so far is of no interest any more. */
  async clear(): Promise<void> {
    await this.reader.ask('clear', undefined);
    await this.writer.ask('takeEvents', undefined);
  }

  /** Resolves when the reader has so many different messages of a line, or has got no further for `quietMs`. */
  async arrived(line: Line, count: number, quietMs: number): Promise<void> {
    let seen = -1;
    for (let changedMs = performance.now(); ; await sleep(POLL_MS)) {
      const now = await this.reader.ask('distinct', line);
      if (now >= count) return;
      if (now !== seen) changedMs = performance.now();
      else if (performance.now() - changedMs > quietMs) return;
      seen = now;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}
