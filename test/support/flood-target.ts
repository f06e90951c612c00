/** A listening peer in a process of its own, whose memory can be watched: node --expose-gc flood-target.ts HOME ADDRESS */

import { openPeer } from '../../src/apps/open-peer.ts';
import type { Session } from '../../src/roles/session.ts';
import { type MemoryReport, type Report, SAMPLE_MS } from './flood.ts';

const [home = '', at = ''] = process.argv.slice(2);
const refused: Record<string, number> = {};
const peer = await openPeer({
  home,
  onEvent: (event) => {
    const told = event.type === 'channel' ? event.event : event;
    if (!('error' in told)) return;
    const { code } = told.error;
    refused[code] = (refused[code] ?? 0) + 1;
  },
});

/** Listens where it is to; gives the address, and what never ends while it does. */
async function open(): Promise<{ readonly address: string; readonly run: () => Promise<void> }> {
  if (at.startsWith('mqtt:')) {
    const bus = await peer.join(at);
    await bus.subscribe('plant/#');
    const run = async (): Promise<void> => {
      for await (const { topic } of bus) void topic;
    };
    return { address: at, run };
  }
  const listening = await peer.listen(at);
  const run = async (): Promise<void> => {
    for await (const session of listening) echo(session).catch(() => {});
  };
  return { address: listening.address, run };
}

const { address, run } = await open();

/** What is alive: garbage is collected first. */
function measure(): MemoryReport {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { liveBytes: heapUsed + external, rssBytes: rss };
}

let peak = measure();

function sample(): void {
  const { liveBytes, rssBytes } = measure();
  peak = { liveBytes: Math.max(peak.liveBytes, liveBytes), rssBytes: Math.max(peak.rssBytes, rssBytes) };
}

async function echo(session: Session): Promise<void> {
  for await (const { payload } of session) await session.send(payload);
}

setInterval(sample, SAMPLE_MS).unref();
process.on('message', () => {
  sample();
  process.send?.({ address, peak, refused } satisfies Report);
  peak = measure();
});
process.on('disconnect', () => process.exit());
process.send?.({ address, peak, refused } satisfies Report);
await run();
