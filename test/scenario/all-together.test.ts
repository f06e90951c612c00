import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelIn, type Meddle, Middle } from '../../src/apps/middle.ts';
import { bytesToHex } from '../../src/core/bytes.ts';
import { formatId } from '../../src/core/identity/id.ts';
import { KIND } from '../../src/core/kinds.ts';
import { noMosquitto, useMosquitto } from '../support/brokers.ts';
import { overhear } from '../support/bus.ts';
import { runSealwire } from '../support/child.ts';
import { flipped, relabelled } from '../support/forged-frame.ts';
import { readLedger } from '../support/ledger-entries.ts';
import { hear, hearAll, numbered, sayAll } from '../support/messages.ts';
import { stageFor, tellOn } from '../support/mqtt-stage.ts';
import { type Actor, meet, type Stage } from '../support/stage.ts';
import { thirdParty } from '../support/third-party.ts';
import { until } from '../support/turns.ts';

/** What becomes of the copies. */
const BROKEN: ReadonlySet<string> = new Set(['signature-invalid', 'body-mismatch', 'replayed', 'wrong-topic']);

/** What `ledger show --json` prints of a label. */
interface ShownLabel {
  readonly kind: string;
  readonly time: string;
  readonly sender: { readonly id: string; readonly name: string };
  readonly topic: string;
  readonly seq: number;
  readonly hmac: string;
  readonly status: 'logged' | 'confirmed';
  readonly confirmedBy: readonly { readonly name: string }[];
}

async function shown(stage: Stage): Promise<ShownLabel[]> {
  const { home } = stage.member('notary');
  const { code, stdout, stderr } = await runSealwire(['--home', home, '--json', 'ledger', 'show']);
  assert.equal(code, 0, stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ShownLabel)
    .filter(({ kind }) => ['message', 'end', 'delivery-receipt'].includes(kind));
}

/** Sends a damaged copy, and the genuine frame twice, for each message on a socket. */
const damage: Meddle = (unit, direction) => {
  const label = direction === 'out' ? labelIn(unit) : undefined;
  if (label?.kind !== KIND.message) return [unit];
  return [flipped(unit, unit.length - 1), relabelled(unit, { seq: label.seq + 1 }), unit, unit];
};

function refusals({ events }: Actor): Set<string> {
  return new Set([...events.codes('refused'), ...events.codes('handshake-refused')]);
}

test('a socket session and a broker session side by side, one notary, somebody who tampers with both: all is in the ledger', {
  timeout: 60_000,
  skip: noMosquitto,
}, async (t) => {
  const broker = await useMosquitto(t);
  const stage = await stageFor(t, ['sensor', 'operator']);
  await stage.startNotary({ url: broker.url });
  const [sensor, operator] = [await stage.enter('sensor', { batchMax: 1 }), await stage.enter('operator')];

  // Over a socket, through a machine in the middle.
  const listening = await operator.peer.listen('tcp://127.0.0.1:0');
  const middle = stage.keep(await Middle.start(listening.address, damage));
  const { near, far } = await meet(sensor, listening, { address: middle.address, expect: 'operator' });

  // Over a broker, with a client that publishes damaged copies of whatever it hears, and the genuine ones elsewhere.
  const tamperer = await thirdParty(t, broker.url);
  const [bySensor, byOperator] = [
    await sensor.peer.join(broker.url, { notary: 'notary' }),
    await operator.peer.join(broker.url, { notary: 'notary' }),
  ];
  await byOperator.subscribe('plant/#');
  const known = new Set<string>();
  tamperer.react(({ topic, payload }) => {
    const label = topic.startsWith('plant/') ? labelIn(payload) : undefined;
    if (!label || known.has(bytesToHex(label.signature))) return;
    known.add(bytesToHex(label.signature));
    const copies: [string, Uint8Array][] = [
      [topic, flipped(payload, payload.length - 1)],
      [topic, relabelled(payload, { topic: 'plant/valve' })],
      ['plant/valve', payload],
      [topic, payload],
    ];
    for (const [where, copy] of copies) {
      known.add(bytesToHex(labelIn(copy)?.signature ?? new Uint8Array()));
      void tamperer.publish(where, copy);
    }
  });

  const [heard, overheard] = [hear(far, 10), overhear({ bus: byOperator }, 10)];
  const actor = { ...sensor, bus: bySensor };
  const [onSocket, onTopic] = [numbered(10, 'reading'), numbered(10, 'load')];
  const published = onTopic.map((text) => tellOn(actor, 'operator', 'plant/load', text, { until: 'delivered' }));
  await Promise.all([sayAll(near, onSocket), ...published]);
  assert.deepEqual([await heard, await overheard], [onSocket, onTopic.map((text) => `sensor plant/load: ${text}`)]);
  await until(() => [...BROKEN].every((code) => refusals(operator).has(code)));
  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), []);
  await Promise.all([bySensor.close(), byOperator.close()]);
  assert.deepEqual(refusals(operator), BROKEN);

  // One more that nobody confirms: it is logged all the same.
  const careless = await sensor.peer.join(broker.url, { notary: 'notary', qos: 0 });
  const reader = await operator.peer.join(broker.url, { notary: 'notary', qos: 0 });
  const lost = await tellOn({ ...sensor, bus: careless }, 'operator', 'nobody/reads/this', 'lost', { until: 'logged' });
  assert.ok(lost.logged);
  await sensor.events.atLeast(1, 'lost');
  await Promise.all([careless.close(), reader.close()]);
  await Promise.all([sensor.peer.close(), operator.peer.close()]);
  await stage.stopNotary();

  const labels = await readLedger(stage);
  const { id } = sensor.member.identity;
  const all = await shown(stage);
  assert.deepEqual(
    all.map(({ hmac }) => hmac),
    labels.all.map(({ mac }) => bytesToHex(mac)),
  );
  const messages = all.filter(({ kind, sender }) => kind === 'message' && sender.id === formatId(id));
  const count = (which: (label: ShownLabel) => boolean): number => messages.filter(which).length;
  assert.equal(
    count(({ topic }) => topic !== 'plant/load' && topic !== 'nobody/reads/this'),
    onSocket.length,
  );
  assert.ok(count(({ topic }) => topic === 'plant/load') > 0);
  for (const { sender, time, status, confirmedBy, topic } of messages) {
    assert.equal(sender.name, 'sensor');
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 600_000, time);
    const isLost = topic === 'nobody/reads/this';
    assert.equal(status, isLost ? 'logged' : 'confirmed');
    assert.deepEqual(
      confirmedBy.map(({ name }) => name),
      isLost ? [] : ['operator'],
    );
  }
  const { home } = stage.member('notary');
  const text = await runSealwire(['--home', home, 'ledger', 'show']);
  assert.match(
    text.stdout,
    /\d+ {2}\d{4}-\d\d-\d\dT[\d:.]+Z {2}sensor {2}plant\/load {2}[0-9a-f]{64} {2}confirmed by operator\n/,
  );
  assert.match(text.stdout, / sensor {2}nobody\/reads\/this {2}[0-9a-f]{64} {2}logged\n/);
  assert.match(text.stdout, / sensor {2}to operator {2}[0-9a-f]{64} {2}confirmed by operator\n/);
  const verified = await runSealwire(['--home', home, 'ledger', 'verify']);
  assert.equal(verified.code, 0, verified.stderr);
  assert.match(verified.stdout, /^valid {2}/);
});
