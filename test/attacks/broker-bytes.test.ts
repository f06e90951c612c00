import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { MqttVersion } from '../../src/roles/mqtt/options.ts';
import { CONNACK, lineTo, numbered, numberOf, VERSIONS } from '../support/mqtt.ts';
import { fakeBroker, type WirePacket } from '../support/mqtt-wire.ts';

const timeout = 60_000;

/** Packets whose id is cut, or is the one that none has. */
const WITHOUT_ID = [
  ['PUBREL that is cut', [0x62, 1, 0]],
  ['PUBREL without anything', [0x62, 0]],
  ['PUBREL of id 0', [0x62, 2, 0, 0]],
  ['PUBREC that is cut', [0x50, 1, 9]],
  ['PUBACK of id 0', [0x40, 2, 0, 0]],
  ['PUBLISH of QoS 2 that is cut before its id', [0x34, 3, 0, 1, 0x61]],
] as const;

/** Takes subscriptions as they are asked for, of one filter each. */
function granted({ id }: WirePacket, version: MqttVersion): Uint8Array {
  return Uint8Array.from(version === 5 ? [0x90, 4, id >> 8, id & 255, 0, 1] : [0x90, 3, id >> 8, id & 255, 1]);
}

/** A PUBLISH of QoS 0 on `a`. */
function published(payload: Uint8Array, version: MqttVersion): Uint8Array {
  const body = [0, 1, 0x61, ...(version === 5 ? [0] : []), ...payload];
  return Uint8Array.from([0x30, body.length, ...body]);
}

for (const version of VERSIONS) {
  for (const [what, bytes] of WITHOUT_ID) {
    test(`N20: a broker’s ${what}, MQTT ${version}, ends the connection, not the process; the next one works`, {
      timeout,
    }, async (context) => {
      let connections = 0;
      const hostile = new Set<Socket>();
      const url = await fakeBroker(context, ({ type, ...packet }, socket) => {
        if (type === 'connect') {
          connections += 1;
          if (connections === 1) hostile.add(socket);
          socket.write(CONNACK[version]);
        }
        if (type !== 'subscribe') return;
        socket.write(granted({ type, ...packet }, version));
        socket.write(hostile.has(socket) ? Uint8Array.from(bytes) : published(numbered(7), version));
      });
      const { line, events } = await lineTo(context, url, { protocolVersion: version });
      const came = Promise.withResolvers<number>();
      await line.subscribe('a', 1, (publication) => came.resolve(numberOf(publication)));
      const { error } = await events.nth('lost');
      assert.equal(error.code, 'broker-unreachable');
      await events.nth('reconnected');
      assert.equal(await came.promise, 7, 'what an honest connection brings arrives');
    });
  }
}
