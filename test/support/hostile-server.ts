import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Aedes } from 'aedes';
import type { Qos } from '../../src/core/ports.ts';
import type { Intercept, Published } from '../../src/roles/memory-broker.ts';

/** A broker at a real port that acknowledges everything and then does with it what a test tells it to. */
export interface HostileServer {
  readonly url: string;
  /** Everything that clients published, in order, as they published it; `from` is the client's id. */
  readonly seen: readonly Published[];
  /** Resolves with the first `count` of what was seen that `which` holds for, once there are so many. */
  see(count: number, which?: (published: Published) => boolean): Promise<Published[]>;
  /** As that of a broker in memory. Without an argument the broker is honest again. */
  tamper(intercept?: Intercept): void;
  /** Publishes what no client has made, on any topic. */
  publishRaw(topic: string, payload: Uint8Array, retain?: boolean): void;
  /** Throws every client out. */
  kick(): void;
}

/** Where a publication goes that is not delivered: `#` does not match it. */
const NOWHERE = '$nowhere';

/** MQTT 3.1.1 on loopback, gone after the test. Starts honest. */
export async function hostileServer(context: TestContext): Promise<HostileServer> {
  const honest: Intercept = (published, deliver) => deliver(published);
  const seen: Published[] = [];
  let change = Promise.withResolvers<void>();
  let current = honest;
  const broker = await Aedes.createBroker({
    authorizePublish: (client, packet, done) => {
      const payload = new Uint8Array(Buffer.from(packet.payload));
      const published = {
        topic: packet.topic,
        payload,
        qos: packet.qos,
        retain: packet.retain,
        from: client?.id ?? '',
      };
      seen.push(published);
      current({ ...published, payload: payload.slice() }, publish);
      packet.topic = NOWHERE;
      packet.retain = false;
      change.resolve();
      change = Promise.withResolvers();
      done();
    },
  });
  // What QoS 0 overtakes it takes for duplicates and drops by itself (aedes, issue 994): here only tests drop.
  const unsuspicious = new Proxy({}, { get: () => 0, set: () => true });
  broker.on('client', (client) => Object.assign(client, { duplicates: unsuspicious }));
  const publish = ({ topic, payload, qos, retain }: Omit<Published, 'from'>): void => {
    if (broker.closed) return;
    broker.publish({ cmd: 'publish', dup: false, topic, payload: Buffer.from(payload), qos, retain }, () => {});
  };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.once('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  const kick = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(async () => {
    kick();
    await new Promise<void>((resolve) => broker.close(resolve));
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  const bound = server.address();
  const qos: Qos = 1;
  return {
    url: `mqtt://127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`,
    seen,
    see: async (count, which = () => true) => {
      for (;;) {
        const found = seen.filter(which);
        if (found.length >= count) return found.slice(0, count);
        await change.promise;
      }
    },
    tamper: (intercept = honest) => {
      current = intercept;
    },
    publishRaw: (topic, payload, retain = false) => publish({ topic, payload, qos, retain }),
    kick,
  };
}
