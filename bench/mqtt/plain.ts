import mqtt, { type MqttClient } from 'mqtt';
import type { Qos } from '../../src/core/ports.ts';

/** MQTT.js alone, with the one setting that our own line makes too: nothing waits for fuller packets. */
export async function connectPlain(url: string): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
  (client.stream as unknown as { setNoDelay(noDelay: boolean): void }).setNoDelay(true);
  return client;
}

/** Several payloads in one, each after its length (4 bytes), as one would pack them by hand. */
export function pack(payload: Uint8Array, count: number): Buffer {
  const packed = Buffer.alloc(count * (4 + payload.length));
  for (let at = 0; at < packed.length; at += 4 + payload.length) {
    packed.writeUInt32BE(payload.length, at);
    packed.set(payload, at + 4);
  }
  return packed;
}

/** What {@link pack} packed. */
export function unpack(packed: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at < packed.length; ) {
    const length = packed.readUInt32BE(at);
    payloads.push(packed.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return payloads;
}

/** Publishes and resolves when the client says so: QoS 0 once it is written, 1 and 2 once the broker has it. */
export function publishPlain(client: MqttClient, topic: string, payload: Buffer, qos: Qos): Promise<unknown> {
  return client.publishAsync(topic, payload, { qos });
}
