import { createInterface } from 'node:readline';
import { openPeer } from '../../src/apps/open-peer.ts';

/**
 * A sender in a process of its own, to be killed: for each line `first count` of its input it gives its outbox so many
 * messages, and says `acknowledged n` of each that was written.
 */
const [, , home = '', url = ''] = process.argv;
const peer = await openPeer({ home });
const bus = await peer.join(url, { notary: 'notary' });
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [first = 0, count = 0] = line.split(' ').map(Number);
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  await Promise.all(
    numbers.map(async (number) => {
      await bus.publish('faults/load', new TextEncoder().encode(`${number}`), { to: 'operator', until: 'queued' });
      process.stdout.write(`acknowledged ${number}\n`);
    }),
  );
}
await peer.close();
