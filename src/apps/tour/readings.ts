import { readFile } from 'node:fs/promises';
import { cpus, freemem, loadavg, totalmem } from 'node:os';

/** What this machine says of itself at one moment. */
export interface Reading {
  /** Share of the time since the last reading that the processors were busy, percent. */
  readonly cpuPercent: number;
  /** Memory in use, percent. */
  readonly memoryPercent: number;
  /** Processes that wanted to run, mean over a minute. */
  readonly load: number;
  /** Bytes received since the last reading, over all network interfaces; null where the system does not tell. */
  readonly networkBytes: number | null;
}

interface Counters {
  readonly busyMs: number;
  readonly totalMs: number;
  readonly receivedBytes: number | null;
}

/** Reads the machine again and again; each reading is about the time since the one before. */
export class MachineReadings {
  #last: Counters | undefined;

  /** The next reading. The first one is about the time since the machine started. */
  async next(): Promise<Reading> {
    const now = await readCounters();
    const last = this.#last ?? { busyMs: 0, totalMs: 0, receivedBytes: now.receivedBytes };
    this.#last = now;
    const elapsedMs = now.totalMs - last.totalMs;
    return {
      cpuPercent: elapsedMs > 0 ? round((100 * (now.busyMs - last.busyMs)) / elapsedMs) : 0,
      memoryPercent: round(100 * (1 - freemem() / totalmem())),
      load: round(loadavg()[0] ?? 0),
      networkBytes:
        now.receivedBytes === null || last.receivedBytes === null ? null : now.receivedBytes - last.receivedBytes,
    };
  }
}

async function readCounters(): Promise<Counters> {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle;
    totalMs += all;
    busyMs += all - times.idle;
  }
  return { busyMs, totalMs, receivedBytes: await readReceivedBytes() };
}

/** Linux counts bytes per interface in /proc/net/dev: a name, a colon, then the bytes received. */
async function readReceivedBytes(): Promise<number | null> {
  try {
    const lines = (await readFile('/proc/net/dev', 'utf8')).split('\n');
    const counts = lines.flatMap((line) => /:\s*(\d+)/.exec(line)?.[1] ?? []);
    return counts.reduce((sum, count) => sum + Number(count), 0);
  } catch {
    return null;
  }
}

/** A reading for people. */
export function describeReading({ cpuPercent, memoryPercent, load, networkBytes }: Reading): string {
  const network = networkBytes === null ? '' : `, network ${networkBytes} bytes`;
  return `cpu ${cpuPercent} %, memory ${memoryPercent} %, load ${load}${network}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
