import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, createRoster, openPeer, startBroker, startNotary, takeRoster } from 'sealwire';

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'payments-')));
await using broker = await startBroker();
const [url = ''] = broker.addresses;
const homeOf = (name: string): string => join(folder, name);

const ids: Record<string, string> = {};
for (const name of ['bank', 'till', 'auditor', 'notary'])
  ids[name] = await createIdentity({ home: homeOf(name), name });
const { bank: bankId = '', ...others } = ids;

// The till writes, bank and auditor read, and both have to confirm. A frame holds one payment: each has a label of its
// own in the ledger, and could be shown to a court without the others.
const roster = await createRoster({ home: homeOf('bank'), name: 'payments' });
const rights = { filters: ['payments/#'], writers: ['till'], readers: ['bank', 'auditor'] };
await roster.change({
  add: others,
  channels: { payments: { ...rights, confirmers: 'all', evidence: 'keep', batchMax: 1 } },
});
const file = await roster.file();
for (const name of Object.keys(others)) await takeRoster({ home: homeOf(name), authority: bankId, file });

// The notary sees frames pass by. It can check who signed them, and not open them.
await using notary = await startNotary({ home: homeOf('notary'), broker: { url } });
await using bankPeer = await openPeer({ home: homeOf('bank') });
await using auditorPeer = await openPeer({ home: homeOf('auditor') });
await using tillPeer = await openPeer({ home: homeOf('till') });
const [bank, auditor] = [
  await bankPeer.join(url, { notary: 'notary' }),
  await auditorPeer.join(url, { notary: 'notary' }),
];
for (const reader of [bank, auditor]) await reader.subscribe('payments/#');
const till = await tillPeer.join(url, { notary: 'notary' });

const payments = [
  { number: 1, to: 'baker', cents: 420 },
  { number: 2, to: 'smith', cents: 99_900 },
  { number: 3, to: 'miller', cents: 1250 },
];
for (const payment of payments) {
  const payload = new TextEncoder().encode(JSON.stringify(payment));
  const { logged } = await till.publish(`payments/${payment.number}`, payload, {
    until: 'logged',
    contentType: 'application/json',
  });
  console.log(`payment ${payment.number}: entry ${logged?.index} of the ledger`);
}
for (const [name, reader] of [
  ['bank', bank],
  ['auditor', auditor],
] as const) {
  let [count, cents] = [0, 0];
  for await (const { payload } of reader) {
    cents += JSON.parse(new TextDecoder().decode(payload)).cents;
    count += 1;
    if (count === payments.length) break;
  }
  console.log(`${name}: ${count} payments, ${(cents / 100).toFixed(2)} together`);
}

// The till leaves once both have confirmed all of it; then the readers, whose receipts the notary logs.
for (const peer of [tillPeer, bankPeer, auditorPeer]) await peer.close();
await notary.close();
console.log(`sealwire ledger verify --ledger ${notary.ledgerFile}`);
