/** A listening peer in a process of its own, whose memory can be watched: node --expose-gc flood-target.ts HOME */

import { openPeer } from '../../src/apps/open-peer.ts';
import type { Session } from '../../src/roles/session.ts';
import { type MemoryReport, type Report, SAMPLE_MS } from './flood.ts';

const [home = ''] = process.argv.slice(2);
const refused: Record<string, number> = {};
const peer = await openPeer({
  home,
  onEvent: (event) => {
    if (event.type === 'handshake-refused') refused[event.error.code] = (refused[event.error.code] ?? 0) + 1;
  },
});
const listening = await peer.listen('tcp://127.0.0.1:0');

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
  process.send?.({ address: listening.address, peak, refused } satisfies Report);
  peak = measure();
});
process.on('disconnect', () => process.exit());
process.send?.({ address: listening.address, peak, refused } satisfies Report);
for await (const session of listening) echo(session).catch(() => {});
