import { Aedes } from 'aedes';
import type { BrokerListener } from './broker-listener.ts';
import { type BrokerTlsFiles, readBrokerTls } from './broker-tls.ts';
import type { ServerExit } from './child-server.ts';
import { Doorway } from './doorway.ts';
import { LogTail } from './log-tail.ts';
import { brokerUrls, type RunningBroker } from './running-broker.ts';

/** What the embedded broker is started with. */
export interface AedesOptions {
  /** Port 0 stands for a free one. */
  readonly listeners: readonly BrokerListener[];
  /** For `mqtts` and `wss`. */
  readonly tls?: BrokerTlsFiles;
  readonly onLog?: ((line: string) => void) | undefined;
}

/**
 * Starts the broker that needs no installing, within this process: MQTT 3.1 and 3.1.1 with QoS 0, 1 and 2, everything
 * in memory. It bounds connections, but neither the size of a packet nor what waits for a client that is away. Throws
 * `address-invalid`, and as {@link readBrokerTls}.
 */
export async function startAedes(options: AedesOptions): Promise<RunningBroker> {
  const { listeners, tls: files, onLog } = options;
  const tls = files && (await readBrokerTls(files));
  const log = new LogTail(onLog);
  await using starting = new AsyncDisposableStack();
  const broker = await Aedes.createBroker();
  starting.defer(() => new Promise<void>((resolve) => broker.close(resolve)));
  listenToTrouble(broker, log);
  const bound: BrokerListener[] = [];
  for (const listener of listeners) {
    const doorway = new Doorway(listener, tls, (stream) => void broker.handle(stream), log);
    // Sockets that have not become clients yet are the doorway's to end.
    starting.defer(() => doorway.close());
    bound.push(await doorway.open());
  }
  const parts = starting.move();
  const exited = Promise.withResolvers<ServerExit>();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= parts.disposeAsync().then(() => {
      exited.resolve({ code: 0, signal: null, lastWords: log.lastWords });
    });
    return stopping;
  };
  return {
    kind: 'aedes',
    ...brokerUrls(bound),
    log: log.lines,
    pid: process.pid,
    exited: exited.promise,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function listenToTrouble(broker: Aedes, log: LogTail): void {
  const tell = (client: { readonly id: string | null } | null, error: Error): void => {
    log.add(`Client ${client?.id ?? 'without an id'}: ${error.message}`);
  };
  broker.on('clientError', tell);
  broker.on('connectionError', tell);
  // It emits what it could not recover from; the other clients may still be served.
  broker.addListener('error', (error: Error) => log.add(`Error: ${error.message}`));
}
