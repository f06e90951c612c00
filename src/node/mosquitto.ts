import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Duplex, pipeline } from 'node:stream';
import { isSealwireError, SealwireError } from '../core/errors.ts';
import { type BrokerListener, probeListeners, usesTls, usesWebSocket } from './broker-listener.ts';
import { type BrokerTlsFiles, readBrokerTls } from './broker-tls.ts';
import { ChildServer } from './child-server.ts';
import { Doorway } from './doorway.ts';
import type { LogTail } from './log-tail.ts';
import { findProgram } from './programs.ts';
import { brokerUrls, type RunningBroker } from './running-broker.ts';

/** What a private Mosquitto is started with. */
export interface MosquittoOptions {
  /** Port 0 stands for a free one. */
  readonly listeners: readonly BrokerListener[];
  /** For `mqtts` and `wss`. */
  readonly tls?: BrokerTlsFiles;
  /** An access control list; without one all may do everything. */
  readonly aclFile?: string;
  /** Messages that wait for one client, beyond those in flight; more are dropped without a word. */
  readonly queuedMessagesMax?: number;
  readonly queuedBytesMax?: number;
  /** Messages of QoS 1 and 2 on their way to one client. */
  readonly inflightMessagesMax?: number;
  /** Where sessions and retained messages outlive the process; nothing does without it. */
  readonly persistenceDirectory?: string;
  readonly onLog?: ((line: string) => void) | undefined;
}

/** Bounds that are wider than Mosquitto's own, which drop what a slow reader was acknowledged for. */
const QUEUED_MESSAGES_MAX = 100_000;
const QUEUED_BYTES_MAX = 268_435_456;
const INFLIGHT_MESSAGES_MAX = 200;
const ATTEMPTS = 5;

/** The installed Mosquitto, or undefined. */
export function findMosquitto(): string | undefined {
  return findProgram('mosquitto');
}

/**
 * Starts `program`, a Mosquitto from 2.0 on, as a child that does not outlive this process. Resolves when it takes
 * connections. Throws `address-invalid` for a place that it cannot have, `broker-failed` with its last words,
 * `unsupported` for an older one.
 *
 * WebSocket is put before it here: its own ignores which address it shall listen at (2.0.11 takes all of the machine's
 * for 127.0.0.1) and does not start without another listener beside it.
 */
export async function startMosquitto(program: string, options: MosquittoOptions): Promise<RunningBroker> {
  for (let attempt = 1; ; attempt++) {
    // Mosquitto has no port 0.
    const listeners = await probeListeners(options.listeners);
    try {
      return await startOnce(program, { ...options, listeners });
    } catch (error) {
      const taken =
        isSealwireError(error, 'address-invalid') ||
        (isSealwireError(error, 'broker-failed') && error.message.includes('Address already in use'));
      const another = taken && options.listeners.some(({ port }) => port === 0);
      if (!another || attempt === ATTEMPTS) throw error;
    }
  }
}

async function startOnce(program: string, options: MosquittoOptions): Promise<RunningBroker> {
  const directory = await mkdtemp(join(tmpdir(), 'sealwire-mosquitto-'));
  const socketFile = join(directory, 'socket');
  let server: ChildServer;
  try {
    const file = join(directory, 'mosquitto.conf');
    await writeFile(file, mosquittoConfig(options, socketFile), { mode: 0o600 });
    const { onLog } = options;
    server = await ChildServer.start({ name: 'Mosquitto', program, args: ['-c', file], isReady, onLog, directory });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const doorways = await openDoorways(options, socketFile, server.log).catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  const exited = server.exited.then(async (exit) => {
    await doorways.disposeAsync();
    return exit;
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await exited;
  };
  return {
    kind: 'mosquitto',
    ...brokerUrls(options.listeners),
    log: server.log.lines,
    pid: server.pid,
    exited,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Opens those for WebSocket, which lead to Mosquitto's own socket. */
async function openDoorways(
  { listeners, tls: files }: MosquittoOptions,
  socketFile: string,
  log: LogTail,
): Promise<AsyncDisposableStack> {
  await using opening = new AsyncDisposableStack();
  const tls = files && (await readBrokerTls(files));
  for (const listener of listeners.filter(usesWebSocket)) {
    const doorway = new Doorway(listener, tls, (stream) => bridge(stream, connect(socketFile)), log);
    opening.defer(() => doorway.close());
    await doorway.open();
  }
  return opening.move();
}

/** Whatever comes at one end goes out at the other, until one of them ends. */
function bridge(near: Duplex, far: Duplex): void {
  // A broken line is the client's to notice.
  pipeline(near, far, near, () => {});
}

function isReady(line: string): boolean {
  const version = /^mosquitto version (\d+)\.\S+ starting/.exec(line);
  if (version && Number(version[1]) < 2) {
    throw new SealwireError('unsupported', `Mosquitto 2.0 or newer is needed, but this is ${line.split(' ')[2]}.`, {
      hint: 'Use the embedded broker instead, or install a newer Mosquitto.',
    });
  }
  return /^mosquitto version \S+ running/.test(line);
}

/**
 * The text of its configuration file (mosquitto.conf(5)), where WebSocket's part is a socket in the file system. Throws
 * `malformed` for a path that cannot stand in it, `usage` for TLS without its files.
 */
export function mosquittoConfig(options: MosquittoOptions, socketFile: string): string {
  const { listeners, aclFile, persistenceDirectory, tls } = options;
  const lines = [
    'log_dest stderr',
    'log_timestamp false',
    // Started by root it would go on as a user who may not read these files.
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    // Who may come in is said by where it listens, by the clients' certificates and by the list.
    'allow_anonymous true',
    'set_tcp_nodelay true',
    `max_queued_messages ${options.queuedMessagesMax ?? QUEUED_MESSAGES_MAX}`,
    `max_queued_bytes ${options.queuedBytesMax ?? QUEUED_BYTES_MAX}`,
    `max_inflight_messages ${options.inflightMessagesMax ?? INFLIGHT_MESSAGES_MAX}`,
    ...(aclFile === undefined ? [] : [`acl_file ${path(aclFile)}`]),
    ...(persistenceDirectory === undefined
      ? ['persistence false']
      : ['persistence true', `persistence_location ${path(persistenceDirectory)}/`]),
    ...listeners.filter((listener) => !usesWebSocket(listener)).flatMap((listener) => listenerLines(listener, tls)),
    ...(listeners.some(usesWebSocket) ? [`listener 0 ${path(socketFile)}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function listenerLines(listener: BrokerListener, tls: BrokerTlsFiles | undefined): string[] {
  const lines = [`listener ${listener.port} ${listener.host}`];
  if (!usesTls(listener)) return lines;
  if (!tls) throw new SealwireError('usage', `TLS at port ${listener.port} needs a certificate and its key.`);
  lines.push(`certfile ${path(tls.certificateFile)}`, `keyfile ${path(tls.keyFile)}`);
  if (tls.clientsFile !== undefined) lines.push(`cafile ${path(tls.clientsFile)}`, 'require_certificate true');
  return lines;
}

/** Absolute, and one line: what follows a line's end would be settings. */
function path(file: string): string {
  const absolute = resolve(file);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (!/[\u0000-\u001f\u007f]|\s$/.test(absolute)) return absolute;
  throw new SealwireError('malformed', `Mosquitto cannot be told the path ${JSON.stringify(absolute)}.`);
}
