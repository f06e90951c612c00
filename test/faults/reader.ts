import { openPeer } from '../../src/apps/open-peer.ts';

/**
 * A reader in a process of its own, to be killed: says `got n` or `again n` of each message as it comes, the latter where
 * it is marked as one that may have come before, and `done n` once its acknowledgement is written.
 */
const [, , home = '', url = ''] = process.argv;
const peer = await openPeer({ home });
const bus = await peer.join(url, { filters: ['faults/#'], acknowledge: 'manual' });
process.stdout.write('ready\n');
for await (const { payload, redelivered, ack } of bus) {
  const number = new TextDecoder().decode(payload);
  process.stdout.write(`${redelivered ? 'again' : 'got'} ${number}\n`);
  ack().then(() => process.stdout.write(`done ${number}\n`));
}
