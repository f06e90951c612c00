import { setTimeout as wait } from 'node:timers/promises';
import type { Session } from '../../roles/session.ts';
import { MachineReadings, type Reading } from './readings.ts';

const JSON_TYPE = 'application/json';

/** What the operator tells the sensor to do. */
export interface OperatorCommand {
  /** Send a reading this often. */
  readonly everyMs: number;
}

/** How many messages one side sent and took in. */
export interface Counts {
  sealed: number;
  opened: number;
}

/** Sends `value` as JSON. */
export async function sendJson(session: Session, value: Reading | OperatorCommand, counts: Counts): Promise<void> {
  await session.send(new TextEncoder().encode(JSON.stringify(value)), { contentType: JSON_TYPE });
  counts.sealed += 1;
}

/** The values that come, to the end of the session. */
export async function* receiveJson<T>(session: Session, counts: Counts): AsyncGenerator<T> {
  for await (const { payload } of session) {
    counts.opened += 1;
    yield JSON.parse(new TextDecoder().decode(payload)) as T;
  }
}

/** The sensor: reads this machine and sends what it finds, as often as it was last told to, until `signal`. */
export class Sensor {
  readonly counts: Counts = { sealed: 0, opened: 0 };
  readonly #session: Session;
  #everyMs: number;

  constructor(session: Session, everyMs: number) {
    this.#session = session;
    this.#everyMs = everyMs;
  }

  /** Obeys the operator until the session ends. */
  async obey(onCommand: (command: OperatorCommand) => void): Promise<void> {
    for await (const command of receiveJson<OperatorCommand>(this.#session, this.counts)) {
      this.#everyMs = command.everyMs;
      onCommand(command);
    }
  }

  /** Sends readings until `signal` is aborted. */
  async report(signal: AbortSignal): Promise<void> {
    const readings = new MachineReadings();
    await readings.next();
    while (!signal.aborted) {
      await wait(this.#everyMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await sendJson(this.#session, await readings.next(), this.counts);
    }
  }
}
