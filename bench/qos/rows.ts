import type { Qos } from '../../src/core/ports.ts';
import type { MqttVersion } from '../../src/roles/mqtt/options.ts';
import type { Account } from './account.ts';
import type { Line } from './message.ts';

/** What every measurement is told by. */
interface Cell {
  readonly line: Line;
  readonly qos: Qos;
}

/** One message after the other, seldom enough that none waits for another. */
export interface SteadyRow extends Cell {
  readonly measured: 'steady';
  readonly roundTripMs: number;
  readonly messages: number;
  /** From `publish` to the reader's application, milliseconds. */
  readonly openedP50Ms: number;
  readonly openedP99Ms: number;
  /** Until the writer knew: that it was written (plain QoS 0), that the broker, or where it is sealed the reader, has it. */
  readonly knownP50Ms: number;
}

/** Single messages over a long line, each alone on its way; Sealwire only. */
export interface SeldomRow extends Cell {
  readonly measured: 'seldom';
  readonly roundTripMs: number;
  readonly sent: number;
  readonly came: number;
  /** Frames that were sent again, though nothing was lost. */
  readonly repaired: number;
  /** Frames that were told as lost. */
  readonly told: number;
  /** Until the writer had the reader's receipt, milliseconds; null where it waited for none. */
  readonly knownP50Ms: number | null;
}

/** As fast as it goes. */
export interface FloodRow extends Cell, Account {
  readonly measured: 'flood';
  readonly roundTripMs: number;
  /** Messages that came, from the first call until the last of them was there. */
  readonly perSecond: number;
  /** Frames that were sent again. */
  readonly repaired: number;
}

/** To a reader that hangs for a while. */
export interface OverloadRow extends Cell, Account {
  readonly measured: 'overload';
  /** Messages in one frame at most. */
  readonly batchMax: number;
  /** What the broker queues for one reader. */
  readonly queuedMessagesMax: number;
  /** What Sealwire speaks; plain MQTT.js speaks 5.0. */
  readonly mqtt: MqttVersion;
  /** For how long the reader hangs. */
  readonly hangMs: number;
  readonly repaired: number;
  /** From the first call until every call was answered and nothing more came, seconds. */
  readonly seconds: number;
}

/** One measurement. */
export type QosRow = SteadyRow | SeldomRow | FloodRow | OverloadRow;
