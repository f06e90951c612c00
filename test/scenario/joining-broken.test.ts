import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createIdentity, createRoster, openPeer, startBroker } from '../../src/apps/sealwire.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/turns.ts';

const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;

test('a home whose channels cannot be read does not stay at the broker, and joins once they are mended', async (t) => {
  const home = join(await temporaryDirectory(t), 'ann');
  await using broker = await startBroker();
  const [url = ''] = broker.addresses;
  await createIdentity({ home, name: 'ann' });
  await createRoster({ home, name: 'works' });
  const file = join(home, 'channels.db');
  await writeFile(file, 'not a database');
  await using ann = await openPeer({ home });
  const before = sockets();
  await assert.rejects(ann.join(url), { code: 'file-unreadable' });
  await until(() => sockets() === before);
  await rm(file);
  await using bus = await ann.join(url);
  await assert.rejects(bus.publish('plant/load', Uint8Array.of(1)), { code: 'channel-unknown' });
});
