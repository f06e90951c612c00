import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startAedes } from '../../src/node/aedes.ts';
import { type BrokerScheme, parseListener } from '../../src/node/broker-listener.ts';
import type { BrokerTlsFiles } from '../../src/node/broker-tls.ts';
import { ChildServer } from '../../src/node/child-server.ts';
import { findMosquitto, type MosquittoOptions, startMosquitto } from '../../src/node/mosquitto.ts';
import { findProgram } from '../../src/node/programs.ts';
import type { RunningBroker } from '../../src/node/running-broker.ts';
import { temporaryDirectory } from './directory.ts';

/** A broker of one test's own, on loopback; it can go away and come back at the same addresses. */
export interface TestBroker {
  readonly kind: RunningBroker['kind'] | 'nats';
  /** `mqtt://127.0.0.1:port`; throws where it does not speak MQTT without TLS. */
  readonly url: string;
  /** By scheme; those with TLS name `localhost`, as their certificate does. */
  readonly urls: RunningBroker['urls'];
  /** What it said last. */
  readonly log: readonly string[];
  readonly pid: number | undefined;
  /** Ends it, and with it what it kept in memory; `kill` gives it no time to say goodbye (not for aedes). */
  stop(how?: 'kill'): Promise<void>;
  /** Starts it anew after {@link TestBroker.stop}, at the same addresses. */
  start(): Promise<void>;
}

/** What {@link useMosquitto} takes; `listen` is `['mqtt']` unless told. */
export type UseMosquittoOptions = Omit<MosquittoOptions, 'listeners'> & {
  readonly listen?: readonly BrokerScheme[];
};

/** What {@link useAedes} takes; `listen` is `['mqtt']` unless told. */
export interface UseAedesOptions {
  readonly listen?: readonly BrokerScheme[];
  readonly tls?: BrokerTlsFiles;
}

/** Why tests with a program are left out here; false where it is installed, and where its lack is to be a failure. */
function lack(program: string, path: string | undefined, debianPackage: string): string | false {
  if (path !== undefined || process.env['CI'] === 'true') return false;
  return `no ${program} here (Debian: apt-get install ${debianPackage})`;
}

/** For `{ skip: noMosquitto }`. */
export const noMosquitto: string | false = lack('mosquitto', findMosquitto(), 'mosquitto');

/** For `{ skip: noMosquittoClients }`: `mosquitto_pub` and `mosquitto_sub`. */
export const noMosquittoClients: string | false = lack(
  'mosquitto_sub',
  findProgram('mosquitto_sub'),
  'mosquitto-clients',
);

/** For `{ skip: noNats }`. */
export const noNats: string | false = lack('nats-server', findProgram('nats-server'), 'nats-server');

/** A Mosquitto that is stopped after the test; for tests with `{ skip: noMosquitto }`. */
export function useMosquitto(context: TestContext, options: UseMosquittoOptions = {}): Promise<TestBroker> {
  const program = installed('mosquitto', findMosquitto());
  const { listen = ['mqtt'], ...rest } = options;
  return use(context, listen.map(anywhere), (addresses) =>
    startMosquitto(program, { ...rest, listeners: addresses.map(parseListener) }),
  );
}

/** The embedded broker, in this process, stopped after the test. */
export function useAedes(context: TestContext, options: UseAedesOptions = {}): Promise<TestBroker> {
  const { listen = ['mqtt'], ...rest } = options;
  return use(context, listen.map(anywhere), (addresses) =>
    startAedes({ ...rest, listeners: addresses.map(parseListener) }),
  );
}

/**
 * A NATS server with JetStream that speaks MQTT 3.1.1, stopped after the test; for tests with `{ skip: noNats }`. It
 * keeps sessions and messages over a restart, and has no QoS 2.
 */
export async function useNats(context: TestContext): Promise<TestBroker> {
  const program = installed('nats-server', findProgram('nats-server'));
  const store = await temporaryDirectory(context);
  return use(context, [anywhere('mqtt')], ([address = '']) => startNats(program, store, address));
}

type Started = Omit<RunningBroker, 'kind'> & { readonly kind: TestBroker['kind'] };

async function use(
  context: TestContext,
  listen: readonly string[],
  launch: (addresses: readonly string[]) => Promise<Started>,
): Promise<TestBroker> {
  let running = await launch(listen);
  context.after(() => running.stop());
  const { kind, addresses } = running;
  const urls = Object.fromEntries(Object.entries(running.urls).map(([scheme, url]) => [scheme, named(url)]));
  return {
    kind,
    urls,
    get url() {
      if (urls['mqtt'] === undefined) throw new Error('this broker does not speak MQTT without TLS');
      return urls['mqtt'];
    },
    get log() {
      return running.log;
    },
    get pid() {
      return running.pid;
    },
    async stop(how) {
      if (how === 'kill' && kind !== 'aedes' && running.pid !== undefined) process.kill(running.pid, 'SIGKILL');
      await running.stop();
    },
    async start() {
      await running.stop();
      running = await launch(addresses);
    },
  };
}

function anywhere(scheme: BrokerScheme): string {
  return `${scheme}://127.0.0.1:0`;
}

function named(url: string): string {
  return url.replace(/^(mqtts|wss):\/\/127\.0\.0\.1:/, '$1://localhost:');
}

function installed(program: string, path: string | undefined): string {
  if (path !== undefined) return path;
  throw new Error(`CI=true, but there is no ${program} here: node tools/servers.ts`);
}

async function startNats(program: string, store: string, address: string): Promise<Started> {
  const directory = await mkdtemp(join(tmpdir(), 'sealwire-nats-'));
  const file = join(directory, 'nats.conf');
  const { port } = parseListener(address);
  // -1 is what port 0 is elsewhere.
  const config = [
    'server_name: sealwire-test',
    'listen: "127.0.0.1:-1"',
    `jetstream { store_dir: ${JSON.stringify(store)}, max_memory_store: 64MB, max_file_store: 1GB }`,
    `mqtt { listen: "127.0.0.1:${port || -1}" }`,
  ];
  await writeFile(file, `${config.join('\n')}\n`);
  const isReady = (line: string): boolean => line.includes('Server is ready');
  const server = await ChildServer.start({ name: 'NATS', program, args: ['-c', file], isReady, directory });
  const url = /mqtt:\/\/127\.0\.0\.1:\d+/.exec(server.log.lines.join('\n'))?.[0];
  if (url === undefined) throw new Error(`NATS does not say where it listens: ${server.log.lines.join('\n')}`);
  const stop = (): Promise<void> => server.stop();
  return {
    kind: 'nats',
    addresses: [url],
    urls: { mqtt: url },
    log: server.log.lines,
    pid: server.pid,
    exited: server.exited,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
