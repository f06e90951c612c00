import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLedgerStore } from '../../src/node/sqlite-ledger.ts';
import { ledgerMemory, memoryLedger } from '../../src/roles/memory-ledger.ts';
import { testLedgerStore } from './ledger-store.ts';

testLedgerStore('ledger in memory', async () => {
  const memory = ledgerMemory();
  return { open: () => memoryLedger(memory), clear: async () => {} };
});

testLedgerStore('ledger in SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealwire-ledger-'));
  const path = join(directory, 'ledger.db');
  return { open: () => openLedgerStore(path), clear: () => rm(directory, { recursive: true }) };
});
