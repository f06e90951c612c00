import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalBytes } from '../../src/core/bytes.ts';
import type { Label } from '../../src/core/frame/label.ts';
import { KIND } from '../../src/core/kinds.ts';
import { nodeCrypto, nodeVerifier } from '../../src/node/crypto.ts';
import { memoryLedger } from '../../src/roles/memory-ledger.ts';
import { verifyLedger } from '../../src/roles/verify-ledger.ts';
import { overhear, Square, tell } from '../support/bus.ts';
import { enterLogged, openDesk } from '../support/bus-logging.ts';
import { LedgerLabels } from '../support/ledger-entries.ts';
import { numbered } from '../support/messages.ts';
import { identityOf } from '../support/session-pair.ts';

const timeout = 60_000;

/** `labels` are those of one sender, from seq 0 on without a hole; gives their kinds. */
function kindsInOrder(labels: readonly Label[]): number[] {
  const ordered = labels.toSorted((a, b) => a.seq - b.seq);
  assert.deepEqual(
    ordered.map(({ seq }) => seq),
    ordered.map((_, seq) => seq),
  );
  return ordered.map(({ kind }) => kind);
}

test('a notary that listens in logs what both sides sign, to the very end, and readers confirm it', {
  timeout,
}, async () => {
  await using square = new Square();
  const store = memoryLedger();
  const desk = await openDesk(square, store);
  const [alice, bob] = [await enterLogged(square, 'alice'), await enterLogged(square, 'bob')];
  await bob.bus.subscribe('plant/+');
  const { logged } = await square.elapse(tell(alice, 'bob', 'plant/a', 'first', { until: 'logged' }));
  assert.ok(logged && logged.index > 0);
  await square.elapse(Promise.all(numbered(10).map((text) => tell(alice, 'bob', 'plant/b', text))));
  assert.equal((await square.elapse(overhear(bob, 11))).length, 11);
  await square.elapse(tell(bob, 'alice', 'orders', 'stop', { until: 'delivered' }));

  // Who leaves waits for the receipts of its ends, and only then ends the session in which they come.
  await square.elapse(Promise.all([alice.leave(), bob.leave()]));
  const labels = new LedgerLabels(await desk.labels());
  for (const { identity, kept, troubles, events, lost } of [alice, bob]) {
    const own = labels.by(identity.id);
    const kinds = kindsInOrder(own);
    assert.ok(kinds.includes(KIND.end) && kinds.includes(KIND.deliveryReceipt));
    assert.deepEqual(labels.unconfirmed(identity.id), []);
    assert.equal(kept.length, own.length);
    assert.deepEqual(new Set(kept.map(({ index }) => index)).size, own.length);
    assert.deepEqual([troubles, lost], [[], []]);
    assert.deepEqual(
      events.filter(({ type }) => type === 'not-logged'),
      [],
    );
  }
  assert.deepEqual(desk.troubles, []);
  await square.elapse(desk.close());
  const report = await verifyLedger({
    reader: store,
    crypto: nodeCrypto,
    verifierOf: nodeVerifier,
    mode: 'full',
    pin: (await identityOf('notary')).id,
    checkpoint: null,
  });
  assert.equal(report?.verdict, 'valid');
});

test('what the notary misses its sender hands in, two seconds later', { timeout }, async () => {
  await using square = new Square();
  const desk = await openDesk(square, memoryLedger(), ['nothing/of/interest']);
  const [alice, bob] = [await enterLogged(square, 'alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  const startMs = square.nowMs;
  await square.elapse(tell(alice, 'bob', 't', 'unseen', { until: 'logged' }));
  assert.ok(square.nowMs - startMs >= 2000);
  const [label, ...more] = await desk.labels();
  assert.ok(label && more.length === 0 && equalBytes(label.senderId, alice.identity.id));
  await square.elapse(alice.leave());
  const kinds = kindsInOrder(new LedgerLabels(await desk.labels()).by(alice.identity.id));
  assert.deepEqual(
    kinds.filter((kind) => kind !== KIND.deliveryReceipt),
    [KIND.message, KIND.end],
  );
  await square.elapse(desk.close());
});

test('a notary that is started anew knows no session of before: nothing is missing in its ledger all the same', {
  timeout,
}, async () => {
  await using square = new Square();
  const store = memoryLedger();
  const first = await openDesk(square, store);
  const [alice, bob] = [await enterLogged(square, 'alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'before', { until: 'logged' }));
  await first.vanish();
  const meanwhile = tell(alice, 'bob', 't', 'meanwhile', { until: 'logged' });
  await square.wait(5000);
  const second = await openDesk(square, store);
  await square.elapse(meanwhile);
  assert.deepEqual(alice.troubles, ['timeout'], 'the session of before was given up for another one');
  await square.elapse(tell(alice, 'bob', 't', 'after', { until: 'logged' }));
  await square.elapse(alice.leave());
  const own = new LedgerLabels(await second.labels()).by(alice.identity.id);
  assert.equal(kindsInOrder(own).filter((kind) => kind === KIND.message).length, 3);
  assert.equal(alice.kept.length, own.length);
  await square.elapse(second.close());
});

test('whoever leaves while the notary is silent is kept waiting for a bounded time, and told what has no receipt', {
  timeout,
}, async () => {
  await using square = new Square();
  const desk = await openDesk(square);
  const [alice, bob] = [await enterLogged(square, 'alice'), await square.enter('bob')];
  await bob.bus.subscribe('t');
  await square.elapse(tell(alice, 'bob', 't', 'logged', { until: 'logged' }));
  await desk.vanish();
  await square.elapse(tell(alice, 'bob', 't', 'not logged', { until: 'delivered' }));
  const startMs = square.nowMs;
  await square.elapse(alice.leave());
  assert.ok(square.nowMs - startMs <= 15_000, `${square.nowMs - startMs}`);
  assert.ok(alice.events.some((event) => event.type === 'not-logged' && event.error.code === 'not-logged'));
});
