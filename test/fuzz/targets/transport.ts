import { bytesToUtf8, concatBytes, utf8ToBytes } from '../../../src/core/bytes.ts';
import { parseRequestTopic, requestTopic } from '../../../src/core/enrolment/enrolment-topic.ts';
import { SealwireError } from '../../../src/core/errors.ts';
import { inboxTopic, parseInboxTopic } from '../../../src/core/inbox.ts';
import { checkFilter, checkTopic, topicMatches } from '../../../src/core/topic.ts';
import { frameUnit, UnitReader } from '../../../src/node/framing.ts';
import { PacketGuard } from '../../../src/roles/mqtt/packet-guard.ts';
import { Random } from '../random.ts';
import { sameBytes, type Target, Unsound } from '../target.ts';

const UNIT_BYTES_MAX = 1000;
const PACKET_BYTES_MAX = 300;

/** The bytes in pieces, cut where the bytes themselves say, so that the same ones are always cut alike. */
function piecesOf(input: Uint8Array): Uint8Array[] {
  const random = new Random(
    input.length,
    input.reduce((sum, byte) => (sum * 31 + byte) | 0, 7),
  );
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < input.length; ) {
    const length = 1 + random.below(random.pick([1, 4, 64, 2000]));
    pieces.push(input.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

const topics = ['plant/line1/temperature', 'plant/+/temperature', 'plant/#', '$SYS/#', 'a', '+', 'sealwire/1/x'];
const id = new Uint8Array(32).fill(9);

function publish(topic: string, payload: Uint8Array, qos = 1): Uint8Array {
  const name = utf8ToBytes(topic);
  const body = concatBytes(Uint8Array.of(0, name.length), name, Uint8Array.of(0, 7, 0), payload);
  return concatBytes(Uint8Array.of(0x30 | (qos << 1), ...lengthBytes(body.length)), body);
}

function lengthBytes(length: number): number[] {
  return length < 128 ? [length] : [(length % 128) + 128, Math.floor(length / 128)];
}

const streams = [
  concatBytes(Uint8Array.of(0x20, 3, 0, 0, 0), publish('plant/a', new Uint8Array(20)), Uint8Array.of(0xd0, 0)),
  concatBytes(
    publish('plant/a', new Uint8Array(200), 2),
    Uint8Array.of(0x62, 2, 0, 7),
    Uint8Array.of(0x90, 4, 0, 1, 0, 1),
  ),
  concatBytes(publish('x', new Uint8Array(0), 0), Uint8Array.of(0xe0, 2, 0x8e, 0)),
];

/** What becomes of bytes that are no unit, packet or topic. */
export const TRANSPORT: readonly Target[] = [
  {
    name: 'socket-framing',
    mutator: 'bytes',
    weight: 6,
    open: () => ({
      seeds: [
        frameUnit(Uint8Array.of(1)),
        concatBytes(
          frameUnit(new Uint8Array(300).fill(2)),
          frameUnit(new Uint8Array(UNIT_BYTES_MAX)),
          Uint8Array.of(0),
        ),
      ].map((bytes) => new Uint8Array(bytes)),
      judge(input) {
        const [whole, cut] = [unitsIn([input]), unitsIn(piecesOf(input))];
        sameBytes(concatBytes(...cut.units), concatBytes(...whole.units));
        if (cut.error?.code !== whole.error?.code) throw new Unsound('what is refused hangs on how it is cut');
        sameBytes(concatBytes(...whole.units.map(frameUnit)), input.subarray(0, whole.bytes));
        if (whole.error) throw whole.error;
      },
    }),
  },
  {
    name: 'packet-guard',
    mutator: 'mqtt',
    weight: 6,
    open: () => ({
      seeds: streams,
      judge(input) {
        const whole = new PacketGuard(PACKET_BYTES_MAX).admits(input);
        const cut = new PacketGuard(PACKET_BYTES_MAX);
        const refusedAt = piecesOf(input).findIndex((piece) => !cut.admits(piece));
        if (whole !== (refusedAt === -1)) throw new Unsound('what is admitted hangs on how it is cut');
        if (whole !== isWithin(input))
          throw new Unsound('a packet over the bound was admitted, or one below it was not');
        if (!whole) throw new SealwireError('too-large', 'A packet is over the bound.');
      },
    }),
  },
  {
    name: 'topics',
    mutator: 'bytes',
    weight: 6,
    open: () => ({
      seeds: [
        ...topics,
        inboxTopic({ to: id, lane: 'frames', from: id }),
        requestTopic(id, { type: 'device', deviceId: id }),
      ].map(utf8ToBytes),
      judge(input) {
        const text = bytesToUtf8(input);
        const inbox = parseInboxTopic(text);
        if (inbox && inboxTopic(inbox) !== text) throw new Unsound('an inbox has two topics');
        const asker = parseRequestTopic(text);
        const authority = text.split('/')[3] ?? '';
        if (asker && !requestTopic(id, asker).endsWith(text.slice(text.indexOf(authority) + authority.length))) {
          throw new Unsound('an asker has two topics');
        }
        for (const other of topics) [topicMatches(other, text), topicMatches(text, other)];
        if (!topicMatches('#', checkTopic(text)) || !topicMatches(checkFilter(text), text)) {
          throw new Unsound('a topic that does not match itself');
        }
      },
    }),
  },
];

function unitsIn(pieces: readonly Uint8Array[]) {
  const reader = new UnitReader(UNIT_BYTES_MAX);
  const units: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (const piece of pieces) {
      reader.push(piece, (unit) => {
        units.push(unit);
        bytes += 4 + unit.length;
      });
    }
    return { units, bytes, error: undefined };
  } catch (error) {
    if (!(error instanceof SealwireError)) throw error;
    return { units, bytes, error };
  }
}

/** Read apart from the guard: no length of the packets is over the bound, as far as they go. */
function isWithin(input: Uint8Array): boolean {
  for (let at = 0; at + 1 < input.length; ) {
    let [length, used] = [0, 0];
    for (;;) {
      const byte = input[at + 1 + used];
      if (byte === undefined) return true;
      length += (byte & 127) * 128 ** used;
      used += 1;
      if (byte < 128) break;
      if (used === 4) return false;
    }
    if (length > PACKET_BYTES_MAX) return false;
    at += 1 + used + length;
  }
  return true;
}
