import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** Control packets by their numbers (MQTT 5.0, section 2.1.2). */
const TYPES = [
  'reserved',
  'connect',
  'connack',
  'publish',
  'puback',
  'pubrec',
  'pubrel',
  'pubcomp',
  'subscribe',
  'suback',
  'unsubscribe',
  'unsuback',
  'pingreq',
  'pingresp',
  'disconnect',
  'auth',
] as const;

/** A control packet, as far as tests look into it. */
export interface WirePacket {
  readonly type: (typeof TYPES)[number];
  readonly dup: boolean;
  readonly qos: number;
  /** 0 where it has none. */
  readonly id: number;
  /** Of a PUBLISH. */
  readonly topic: string;
  readonly bytes: Buffer;
}

/** Takes a stream of control packets apart. */
export class PacketReader {
  #rest = Buffer.alloc(0);

  read(chunk: Buffer): WirePacket[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const packets: WirePacket[] = [];
    for (let packet = this.#next(); packet; packet = this.#next()) packets.push(packet);
    return packets;
  }

  #next(): WirePacket | undefined {
    let length = 0;
    for (let i = 1; i <= 4 && i < this.#rest.length; i++) {
      const byte = this.#rest[i] ?? 0;
      length += (byte & 127) * 128 ** (i - 1);
      if (byte > 127) continue;
      const end = i + 1 + length;
      if (this.#rest.length < end) return undefined;
      const bytes = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      return packetOf(bytes, bytes.subarray(i + 1));
    }
    return undefined;
  }
}

function packetOf(bytes: Buffer, body: Buffer): WirePacket {
  const first = bytes[0] ?? 0;
  const type = TYPES[first >> 4] ?? 'reserved';
  const qos = type === 'publish' ? (first >> 1) & 3 : 0;
  const topicLength = type === 'publish' ? body.readUInt16BE(0) : 0;
  const idAt = type === 'publish' ? 2 + topicLength : 0;
  const hasId = type === 'publish' ? qos > 0 : body.length >= 2 && !/^(conn|ping|disc|auth)/.test(type);
  return {
    type,
    qos,
    dup: type === 'publish' && (first & 8) !== 0,
    id: hasId ? body.readUInt16BE(idAt) : 0,
    topic: body.subarray(2, 2 + topicLength).toString(),
    bytes,
  };
}

/** Which way a packet travels: from the client, or to it. */
export type WireWay = 'out' | 'back';

/** A packet that passed. */
export interface Passed {
  readonly way: WireWay;
  readonly packet: WirePacket;
}

/** A wire between clients and a broker that is listened to, held and cut. */
export interface WireTap {
  readonly url: string;
  /** Everything that came to it, in order, whether it was passed on or not. */
  readonly seen: readonly Passed[];
  /** Resolves with those of `type` that went `way`, once there are `count`. */
  see(way: WireWay, type: WirePacket['type'], count: number): Promise<WirePacket[]>;
  count(way: WireWay, type: WirePacket['type']): number;
  /** From now on packets of these types to the client wait. */
  hold(...types: readonly WirePacket['type'][]): void;
  /** What was held goes on, and nothing is held any more. */
  release(): void;
  /** Breaks all connections; new ones are taken. */
  cut(): void;
}

/** Puts a tap in front of the broker at `url`, `mqtt://…`; gone after the test. */
export async function tapWire(context: TestContext, url: string): Promise<WireTap> {
  const { hostname, port } = new URL(url);
  const seen: Passed[] = [];
  const sockets = new Set<Socket>();
  const held = new Set<WirePacket['type']>();
  let waiting: (() => void)[] = [];
  let change = Promise.withResolvers<void>();
  const relay = (from: Socket, to: Socket, way: WireWay): void => {
    const reader = new PacketReader();
    sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => {
      for (const packet of reader.read(chunk)) {
        seen.push({ way, packet });
        const pass = (): void => void (to.destroyed || to.write(packet.bytes));
        if (way === 'back' && held.has(packet.type)) waiting.push(pass);
        else pass();
      }
      change.resolve();
      change = Promise.withResolvers();
    });
    from
      .on('error', () => {})
      .on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
  };
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    relay(near, far, 'out');
    relay(far, near, 'back');
  });
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const ownUrl = await listening(context, server, cut);
  const of = (way: WireWay, type: WirePacket['type']): WirePacket[] =>
    seen.filter((passed) => passed.way === way && passed.packet.type === type).map(({ packet }) => packet);
  return {
    url: ownUrl,
    seen,
    see: async (way, type, count) => {
      while (of(way, type).length < count) await change.promise;
      return of(way, type);
    },
    count: (way, type) => of(way, type).length,
    hold: (...types) => {
      for (const type of types) held.add(type);
    },
    release: () => {
      held.clear();
      for (const pass of waiting) pass();
      waiting = [];
    },
    cut,
  };
}

/** A broker of a test's own making: `answer` is called with each packet of each client. */
export async function fakeBroker(
  context: TestContext,
  answer: (packet: WirePacket, socket: Socket) => void,
): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const reader = new PacketReader();
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const packet of reader.read(chunk)) answer(packet, socket);
    });
  });
  return await listening(context, server, () => {
    for (const socket of sockets) socket.destroy();
  });
}

async function listening(context: TestContext, server: Server, cut: () => void): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    cut();
    server.close();
  });
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
