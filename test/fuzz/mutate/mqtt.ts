import { concatBytes } from '../../../src/core/bytes.ts';
import type { Random } from '../random.ts';
import { mutateBytes } from './bytes.ts';

/** One control packet (MQTT 5.0, section 2.1) as it may be written, rightly or not. */
interface Packet {
  first: number;
  body: Uint8Array;
  /** The remaining length as bytes; the true one where it is missing. */
  length?: Uint8Array;
}

const WRONG_LENGTHS = [
  [0],
  [1],
  [0x7f],
  [0x80, 0],
  [0x80, 0x80, 0x80, 0],
  [0xff, 0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x80, 1],
].map((bytes) => Uint8Array.from(bytes));
const WORDS = [0, 1, 2, 5, 23, 255, 256, 0x7fff, 0xffff];

function readPackets(data: Uint8Array): Packet[] {
  const packets: Packet[] = [];
  let at = 0;
  while (at < data.length) {
    let [length, weight, from] = [0, 1, at + 1];
    for (; from < data.length && from < at + 5; weight *= 128) {
      const byte = data[from++] ?? 0;
      length += (byte & 127) * weight;
      if (byte < 128) break;
    }
    packets.push({ first: data[at] ?? 0, body: data.slice(from, from + length) });
    at = from + length;
  }
  return packets;
}

function lengthOf(body: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  let rest = body.length;
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Uint8Array.from(bytes);
}

type Step = (random: Random, packet: Packet, packets: Packet[], index: number, others: readonly Packet[]) => void;

const STEPS: readonly Step[] = [
  (random, packet, _packets, _index, others) => {
    packet.body = mutateBytes(random, packet.body, random.pick(others).body);
  },
  (random, packet) => {
    packet.first = (packet.first & 0x0f) | (random.below(16) << 4);
  },
  (random, packet) => {
    packet.first ^= 1 << random.below(4);
  },
  (random, packet) => {
    packet.length = random.pick(WRONG_LENGTHS);
  },
  // Lengths of topics, ids and properties are words, most of them in front.
  (random, packet) => {
    const body = packet.body.slice();
    const at = random.once(2) ? 0 : random.below(Math.max(1, body.length - 1));
    if (body.length >= 2) new DataView(body.buffer).setUint16(at, random.pick(WORDS));
    packet.body = body;
  },
  (_random, packet, packets, index) => void packets.splice(index, 0, { ...packet }),
  (_random, _packet, packets, index) => void packets.splice(index, 1),
  (random, packet, packets, index) => {
    const other = random.below(packets.length);
    [packets[index], packets[other]] = [packets[other] ?? packet, packet];
  },
  (random, _packet, packets, index, others) => void packets.splice(index, 0, { ...random.pick(others) }),
];

/** Mutates a stream of control packets packet by packet. */
export function mutateMqtt(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
  const packets = readPackets(input);
  const others = [{ first: 0xd0, body: new Uint8Array(0) }, ...readPackets(other)];
  for (let i = 1 + random.below(3); i > 0; i--) {
    const index = random.below(packets.length);
    const packet = packets[index];
    if (packet) random.pick(STEPS)(random, packet, packets, index, others);
  }
  return concatBytes(
    ...packets.flatMap(({ first, body, length }) => [Uint8Array.of(first), length ?? lengthOf(body), body]),
  );
}
