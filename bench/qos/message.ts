import type { MqttVersion } from '../../src/roles/mqtt/options.ts';
import { type Place, stamp } from '../mqtt/topics.ts';

/** As in `npm run bench`. */
const PAYLOAD_BYTES = 256;
/** Behind the time at which it left. */
const NUMBER_AT = 8;

/** The two ways that are compared, and the topics that they take. */
export const TOPIC = { plain: 'bench/qos/plain', sealed: 'bench/qos/sealed' } as const;

/** Which of them. */
export type Line = keyof typeof TOPIC;

/** A message that says when it left and which one it is. */
export function messageOf(number: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(PAYLOAD_BYTES);
  stamp(payload);
  new DataView(payload.buffer).setUint32(NUMBER_AT, number);
  return payload;
}

/** The number of a {@link messageOf}. */
export function numberOf(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(NUMBER_AT);
}

/** How a writer or reader takes part. */
export interface QosPlace extends Omit<Place, 'signingKey'> {
  /** What Sealwire speaks to the broker; plain MQTT.js speaks 5.0. */
  readonly mqtt: MqttVersion;
  /** What plain MQTT.js connects to, where that is not `url` too. */
  readonly plainUrl?: string;
}
