import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseAddress } from '../../src/node/address.ts';

/** How often the target looks at its memory. */
export const SAMPLE_MS = 40;

/** Memory of a process. */
export interface MemoryReport {
  /** Heap and buffers that are in use. */
  readonly liveBytes: number;
  readonly rssBytes: number;
}

/** What the target says of itself. */
export interface Report {
  readonly address: string;
  /** The most since the last report. */
  readonly peak: MemoryReport;
  /** How many handshakes were refused, by code. */
  readonly refused: Readonly<Record<string, number>>;
}

/** A listening peer in a process of its own. */
export interface FloodTarget extends AsyncDisposable {
  readonly address: string;
  report(): Promise<Report>;
}

/**
 * Starts a peer of the identity in `home` that listens `at` an address and sends back what it is sent; `at` a broker it
 * listens to its inbox and to `plant/#`, and swallows what comes.
 */
export async function startTarget(home: string, at = 'tcp://127.0.0.1:0'): Promise<FloodTarget> {
  const child = fork(fileURLToPath(new URL('flood-target.ts', import.meta.url)), [home, at], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const next = async (): Promise<Report> => {
    const [report] = await once(child, 'message');
    return report as Report;
  };
  const { address } = await next();
  return {
    address,
    report: () => {
      const answer = next();
      child.send('report');
      return answer;
    },
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, 'exit');
      child.kill();
      await gone;
    },
  };
}

/** A bare socket to `address` that swallows whatever comes back and every error. */
export async function bareSocket(address: string): Promise<Socket> {
  const { host, port } = parseAddress(address, 'tcp', 1);
  const socket = connect({ host, port, allowHalfOpen: false });
  socket.on('error', () => {}).resume();
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
  return socket;
}

/** Writes `chunks` as fast as they are taken, until the far end has had enough; resolves with what left. */
export async function pour(socket: Socket, chunks: Iterable<Uint8Array>): Promise<number> {
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  for (const chunk of chunks) {
    if (socket.destroyed || !socket.writable) break;
    if (!socket.write(chunk)) await Promise.race([new Promise<void>((resolve) => socket.once('drain', resolve)), gone]);
  }
  return socket.bytesWritten;
}

/** Closes a socket and waits until it is. */
export async function drop(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  socket.destroy();
  await once(socket, 'close').catch(() => {});
}
