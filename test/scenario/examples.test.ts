import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ROOT, runNode, runSealwire } from '../support/child.ts';
import { temporaryDirectory } from '../support/directory.ts';

/** Runs an example as its README says, against the sources; gives the lines that it prints. */
async function play(name: string, folder: string): Promise<string[]> {
  const file = `${ROOT}examples/${name}/${name}.ts`;
  const { code, stdout, stderr } = await runNode(['--conditions=sealwire-source', file, folder]);
  assert.deepEqual([code, stderr], [0, '']);
  return stdout.trim().split('\n');
}

async function ledger(folder: string, command: string): Promise<Record<string, unknown>[]> {
  const args = ['--home', join(folder, 'notary'), '--json', 'ledger', command];
  const { code, stdout, stderr } = await runSealwire(args);
  assert.equal(code, 0, stderr);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('a plant: wildcard topics, last values for who comes later, and a valve that obeys writers alone', async (t) => {
  assert.deepEqual(await play('plant', await temporaryDirectory(t)), [
    'plant/boiler/pressure, boiler in measurements: 9.8 bar',
    'plant/boiler/temperature, boiler in measurements: 181 °C',
    'plant/tank/temperature, tank in measurements: 64 °C',
    'valve: tank is no writer of my commands, so I ignore “close”',
    'tank: I may not command [not-allowed]',
    'valve: controller may tell me to, so I open',
  ]);
});

test('payments: each is an entry of a valid ledger, confirmed by bank and auditor', async (t: TestContext) => {
  const folder = await temporaryDirectory(t);
  const lines = await play('payments', folder);
  const entries = lines.slice(0, 3).map((line, i) => {
    const [, number, entry] = /^payment (\d): entry (\d+) of the ledger$/.exec(line) ?? [];
    assert.equal(Number(number), i + 1, line);
    return Number(entry);
  });
  assert.deepEqual(lines.slice(3, 5), ['bank: 3 payments, 1015.70 together', 'auditor: 3 payments, 1015.70 together']);
  const [report] = await ledger(folder, 'verify');
  assert.equal(report?.['verdict'], 'valid', JSON.stringify(report));
  const shown = await ledger(folder, 'show');
  for (const [i, index] of entries.entries()) {
    const label = shown.find(({ entry }) => entry === index);
    const { kind, topic, sender, status, confirmedBy } = label ?? {};
    assert.deepEqual([kind, topic, status], ['message', `payments/${i + 1}`, 'confirmed']);
    assert.equal((sender as { name: string }).name, 'till');
    const names = (confirmedBy as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(names.toSorted(), ['auditor', 'bank']);
  }
  assert.ok(shown.some(({ kind, name, version }) => kind === 'roster' && name === 'payments' && version === 2));
});

test('a conversation: one is removed and hears no more, one is added and hears from then on', async (t) => {
  assert.deepEqual(await play('conversation', await temporaryDirectory(t)), [
    'bob hears ann: Dinner on Friday?',
    'carol hears ann: Dinner on Friday?',
    'ann hears carol: Yes!',
    'bob hears carol: Yes!',
    'the group is now ann, bob',
    'ann hears bob: A surprise for Carol?',
    'carol hears ann in private: We miss you.',
    'the group is now ann, bob, dave',
    'ann hears bob: Welcome, Dave.',
    'dave hears bob: Welcome, Dave.',
    'ann hears dave: Thank you!',
    'bob hears dave: Thank you!',
  ]);
});
