import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { testTls } from '../support/broker-tls.ts';
import { BROKERS, errorOf, Terminals } from '../support/terminals.ts';

for (const { kind, flags, skip } of BROKERS) {
  test(`over TLS, ${kind} knows its clients by the certificates of their homes, unless they show others`, {
    skip,
  }, async (t) => {
    const [terminals, tls] = [await Terminals.open(t, 'ann', 'bob', 'eve'), await testTls(t)];
    const clients = join(terminals.directory, 'clients.crt');
    const certificates = ['ann', 'bob'].map((name) => readFile(join(terminals.home(name), 'identity.crt'), 'utf8'));
    await writeFile(clients, (await Promise.all(certificates)).join('') + tls.ca);
    const { certificateFile, keyFile } = tls.files;
    const files = ['--cert', certificateFile, '--key', keyFile, '--ca', clients];
    for (const scheme of ['mqtts', 'wss']) {
      const url = await terminals.broker([...files, ...flags], `${scheme}://localhost:0`);
      const at = ['--broker', url, '--ca', tls.caFile];
      const bob = await terminals.subscriber('bob', 'hall', ...at);
      const pub = (name: string, ...more: string[]) =>
        terminals.run(name, ['--json', 'pub', 'hall', `${name} says`, '--to', 'bob', ...more]);

      const ann = await pub('ann', ...at);
      assert.equal(ann.code, 0, ann.stderr);
      assert.equal((await bob.json())['text'], 'ann says');

      const stranger = errorOf(await pub('eve', ...at));
      assert.deepEqual([stranger.exit, stranger.code], [4, 'broker-refused'], stranger.message);
      assert.ok(stranger.hint);

      // Who she is to the broker is one thing; who she is to Bob stays what it was.
      const { cert, key } = await tls.issue('client 7');
      const [certFile, clientKey] = [join(terminals.directory, 'client.crt'), join(terminals.directory, 'client.key')];
      await writeFile(certFile, cert);
      await writeFile(clientKey, key, { mode: 0o600 });
      const eve = await pub('eve', ...at, '--cert', certFile, '--key', clientKey);
      assert.equal(eve.code, 0, eve.stderr);
      const { from, text } = await bob.json();
      assert.deepEqual([(from as { name: string }).name, text], ['eve', 'eve says']);

      // Without --ca the authorities of this machine count, and they know nothing of this broker.
      for (const ca of [[], ['--ca', clients.replace('clients', 'client')]]) {
        const refused = errorOf(await pub('ann', '--broker', url, ...ca));
        assert.deepEqual([refused.exit, refused.code], [4, 'broker-refused'], refused.message);
        assert.match(refused.message, /certificate .* is not trusted/);
      }
      assert.equal(await bob.interrupt(), 0);
      assert.equal(bob.stderr, '');
    }
  });
}
