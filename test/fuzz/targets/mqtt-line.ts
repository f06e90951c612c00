import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { concatBytes, utf8ToBytes } from '../../../src/core/bytes.ts';
import { FRAME_BYTES_MAX } from '../../../src/core/limits.ts';
import type { Publication } from '../../../src/core/ports.ts';
import { systemClock } from '../../../src/node/clock.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { connectMqtt } from '../../../src/roles/mqtt/connection.ts';
import type { MqttVersion } from '../../../src/roles/mqtt/options.ts';
import { CONNACK } from '../../support/mqtt.ts';
import { type Target, Unsound } from '../target.ts';

/** Longer than a run: only one end of the line or the other may end it. */
const NEVER_MS = 2 ** 30;

/** What a broker may say to a subscriber, in either version. */
function streamsOf(version: MqttVersion): Uint8Array[] {
  const properties = version === 5 ? [0] : [];
  const publish = (flags: number, topic: string, payload: number): Uint8Array => {
    const name = utf8ToBytes(topic);
    const id = (flags & 6) === 0 ? [] : [0, 9];
    const body = Uint8Array.from([0, name.length, ...name, ...id, ...properties, ...new Uint8Array(payload)]);
    return concatBytes(Uint8Array.of(0x30 | flags, body.length), body);
  };
  return [
    concatBytes(publish(0, 'plant/a', 4), publish(2, 'plant/b', 40), Uint8Array.of(0xd0, 0)),
    concatBytes(publish(5, 'plant/c', 0), Uint8Array.of(0x62, 2, 0, 9), publish(1, 'a', 100)),
    concatBytes(Uint8Array.of(0x40, 2, 0, 1), Uint8Array.of(0xb0, 2 + properties.length, 0, 3, ...properties)),
    Uint8Array.of(0xe0, 2, 0x8e, 0),
    Uint8Array.of(0x32, 0xff, 0xff, 0xff, 0x7f, 0),
  ];
}

/** A broker that answers as it has to, then says what it is told to, and hangs up; or that says so at once. */
async function saying() {
  let words: Uint8Array = new Uint8Array(0);
  let version: MqttVersion = 5;
  let isRude = false;
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {}).setNoDelay(true);
    socket.once('data', () => {
      if (isRude) {
        socket.end(words);
        return;
      }
      socket.write(CONNACK[version]);
      socket.once('data', (subscribe: Buffer) => {
        const [high = 0, low = 0] = subscribe.subarray(2);
        socket.write(version === 5 ? Buffer.of(0x90, 4, high, low, 0, 1) : Buffer.of(0x90, 3, high, low, 1));
        socket.end(words);
      });
    });
  });
  server.listen(0, '127.0.0.1');
  server.unref();
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    say: (next: Uint8Array, as: MqttVersion, atOnce: boolean): void => {
      words = next;
      version = as;
      isRude = atOnce;
    },
  };
}

/** A line to a broker that says anything: nothing of it may be thrown where nobody catches it, or hold it up for good. */
function line(version: MqttVersion, atOnce: boolean): Target {
  return {
    name: `mqtt-${atOnce ? 'connecting' : 'line'}-${version}`,
    mutator: 'mqtt',
    weight: 0.2,
    async open() {
      const broker = await saying();
      return {
        seeds: streamsOf(version).map((stream) => (atOnce ? concatBytes(CONNACK[version], stream) : stream)),
        async judge(input) {
          broker.say(input, version, atOnce);
          await listen(broker.port, version);
        },
      };
    },
  };
}

async function listen(port: number, version: MqttVersion): Promise<void> {
  const lost = Promise.withResolvers<void>();
  let unsound: string | undefined;
  const open = await connectMqtt({
    ...{ url: `mqtt://127.0.0.1:${port}`, protocolVersion: version, clock: systemClock },
    ...{ random: nodeCrypto.random, pauseMinMs: NEVER_MS, pauseMaxMs: NEVER_MS, closeTimeoutMs: 1 },
    onEvent: ({ type }) => {
      if (type === 'lost') lost.resolve();
      if (type === 'take-failed') unsound = 'somebody who takes publications was called wrongly';
    },
  });
  const take = ({ topic, payload }: Publication): void => {
    if (typeof topic !== 'string' || !(payload instanceof Uint8Array)) unsound = 'no publication';
    if (payload.length > FRAME_BYTES_MAX) unsound = 'a publication over the bound';
  };
  // Its answer may be among what is said wrongly.
  open.subscribe('#', 1, take).catch(() => {});
  await lost.promise;
  await open.close();
  if (unsound !== undefined) throw new Unsound(unsound);
}

/** The client's end of MQTT, in both versions. */
export const MQTT_LINE: readonly Target[] = [line(4, false), line(5, false), line(4, true), line(5, true)];
