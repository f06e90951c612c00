import { setTimeout as wait } from 'node:timers/promises';
import type { BusMessage } from '../../roles/bus/bus.ts';
import type { ReceivedMessage } from '../../roles/incoming.ts';
import type { SealwireBus } from '../open-bus.ts';
import { MachineReadings, type Reading } from './readings.ts';

/** The media type of everything that is said in the tour. */
export const JSON_TYPE = 'application/json';
/** Where the sensor reports, and where it is told how often. */
export const TOPIC = { readings: 'plant/line1/load', commands: 'plant/line1/every' } as const;

/** What the operator tells the sensor to do. */
export interface OperatorCommand {
  /** Send a reading this often. */
  readonly everyMs: number;
}

/** How many messages were sent and taken in, by everybody together. */
export interface Counts {
  sealed: number;
  opened: number;
}

/** `value` as it is sent. */
export function encodeJson(value: Reading | OperatorCommand): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The values that come, to the end of the bus or session. */
export async function* receiveJson<T>(
  messages: AsyncIterable<ReceivedMessage | BusMessage>,
  counts: Counts,
): AsyncGenerator<T> {
  for await (const { payload } of messages) {
    counts.opened += 1;
    yield JSON.parse(new TextDecoder().decode(payload)) as T;
  }
}

/** The operator's line to the sensor. */
export class Operator {
  readonly #bus: SealwireBus;
  readonly #counts: Counts;

  constructor(bus: SealwireBus, counts: Counts) {
    this.#bus = bus;
    this.#counts = counts;
  }

  /** Readings as they come, until the bus is closed. */
  readings(): AsyncGenerator<Reading> {
    return receiveJson<Reading>(this.#bus, this.#counts);
  }

  /** Tells the sensor what to do. */
  async command(command: OperatorCommand): Promise<void> {
    await this.#bus.publish(TOPIC.commands, encodeJson(command), { to: 'sensor', contentType: JSON_TYPE });
    this.#counts.sealed += 1;
  }
}

/** The sensor: reads this machine and publishes what it finds, as often as it was last told to. */
export class Sensor {
  readonly #bus: SealwireBus;
  readonly #counts: Counts;
  readonly #firstEntry = Promise.withResolvers<number>();
  #everyMs: number;

  constructor(bus: SealwireBus, everyMs: number, counts: Counts) {
    this.#bus = bus;
    this.#counts = counts;
    this.#everyMs = everyMs;
    this.#firstEntry.promise.catch(() => {});
  }

  /** Where the label of the first reading stands in the ledger. */
  get firstEntry(): Promise<number> {
    return this.#firstEntry.promise;
  }

  /** Obeys the operator until the bus is closed. */
  async obey(onCommand: (command: OperatorCommand) => void): Promise<void> {
    for await (const command of receiveJson<OperatorCommand>(this.#bus, this.#counts)) {
      this.#everyMs = command.everyMs;
      onCommand(command);
    }
  }

  /** Publishes readings until `signal` is aborted. */
  async report(signal: AbortSignal): Promise<void> {
    const readings = new MachineReadings();
    await readings.next();
    for (let n = 0; !signal.aborted; n++) {
      await wait(this.#everyMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await this.#publish(await readings.next(), n === 0);
    }
  }

  async #publish(reading: Reading, isFirst: boolean): Promise<void> {
    const options = { to: 'operator', contentType: JSON_TYPE } as const;
    const sending = this.#bus.publish(TOPIC.readings, encodeJson(reading), {
      ...options,
      until: isFirst ? 'logged' : 'sent',
    });
    if (isFirst) sending.then(({ logged }) => this.#firstEntry.resolve(logged?.index ?? -1), this.#firstEntry.reject);
    await sending;
    this.#counts.sealed += 1;
  }
}
