import { openLedgerStore } from '../../src/node/sqlite-ledger.ts';
import { member, testNotary, Writer } from './ledger.ts';

/** A notary in a process of its own, to be killed: prints each label it acknowledged, as `index label-in-hex`. */
const [, , path = '', ratchet = '1'] = process.argv;
const alice = await member('alice', 1);
const notary = await testNotary(openLedgerStore(path), [alice], { blockEntriesMax: 16 });
const writer = new Writer(alice, Number(ratchet));
for (;;) {
  const labels = await writer.labels(8);
  const results = await notary.submitMany(labels);
  results.forEach((result, i) => {
    if (result.status === 'refused') throw result.error;
    process.stdout.write(`${result.logged.index} ${Buffer.from(labels[i] ?? []).toString('hex')}\n`);
  });
  // Lets the output out: what nobody has seen is not acknowledged.
  await new Promise((resolve) => setImmediate(resolve));
}
