import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteChannels } from '../../src/node/sqlite-channels.ts';
import { MemoryChannels } from '../support/memory-channels.ts';
import { testChannelStore } from './channel-store.ts';

testChannelStore('channels in memory', async () => ({ open: () => new MemoryChannels(), clear: async () => {} }));

testChannelStore('channels in SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealwire-channels-'));
  return {
    open: () => new SqliteChannels(join(directory, 'channels.db')),
    clear: () => rm(directory, { recursive: true }),
  };
});
