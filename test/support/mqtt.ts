import type { TestContext } from 'node:test';
import type { BrokerConnection, Publication, Qos } from '../../src/core/ports.ts';
import { systemClock } from '../../src/node/clock.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import { connectMqtt } from '../../src/roles/mqtt/connection.ts';
import type { BrokerEvent } from '../../src/roles/mqtt/events.ts';
import type { MqttOptions, MqttVersion } from '../../src/roles/mqtt/options.ts';

/** Both. */
export const VERSIONS: readonly MqttVersion[] = [4, 5];

/** A broker's yes in MQTT 3.1.1 and in 5.0. */
export const CONNACK: Readonly<Record<MqttVersion, Uint8Array>> = {
  4: Uint8Array.from([32, 2, 0, 0]),
  5: Uint8Array.from([32, 3, 0, 0, 0]),
};

/** A payload that tells its number. */
export function numbered(i: number, bytes = 8): Uint8Array {
  const payload = new Uint8Array(bytes);
  new DataView(payload.buffer).setUint32(0, i);
  return payload;
}

/** The number of a {@link numbered} payload. */
export function numberOf({ payload }: Pick<Publication, 'payload'>): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

/** Publishes so many {@link numbered} payloads, each once there is room. */
export async function publishAll(line: BrokerConnection, topic: string, count: number, qos: Qos): Promise<void> {
  for (let i = 0; i < count; i++) await line.publish(topic, numbered(i), { qos });
}

/** What may be set; a lost connection is made again within a moment unless told otherwise. */
export type LineOptions = Partial<Omit<MqttOptions, 'url' | 'onEvent'>>;

/** Keeps what a line tells, and waits for what it is to tell. */
export class LineEvents {
  readonly all: BrokerEvent[] = [];
  #change = Promise.withResolvers<void>();

  readonly take = (event: BrokerEvent): void => {
    this.all.push(event);
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  };

  /** The `count`th of that type, whether it was or is to come. */
  async nth<Type extends BrokerEvent['type']>(type: Type, count = 1): Promise<Extract<BrokerEvent, { type: Type }>> {
    for (;;) {
      const found = this.all.filter((event) => event.type === type)[count - 1];
      if (found) return found as Extract<BrokerEvent, { type: Type }>;
      await this.#change.promise;
    }
  }
}

/** A line over MQTT, which is closed after the test, and what it tells. */
export async function lineTo(
  context: TestContext,
  url: string,
  options: LineOptions = {},
): Promise<{ readonly line: BrokerConnection; readonly events: LineEvents }> {
  const events = new LineEvents();
  const line = await connectMqtt({
    url,
    clock: systemClock,
    random: nodeCrypto.random,
    pauseMinMs: 10,
    pauseMaxMs: 100,
    ...options,
    onEvent: events.take,
  });
  context.after(() => line.close());
  return { line, events };
}
