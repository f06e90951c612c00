import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { noMosquitto } from '../support/brokers.ts';
import { runSealwire } from '../support/child.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { RunningCommand } from '../support/running.ts';

const KINDS = [
  { kind: 'Mosquitto, which is installed here', flags: [], skip: noMosquitto },
  { kind: 'aedes, which is built in', flags: ['--embedded'], skip: false },
] as const;

for (const { kind, flags, skip } of KINDS) {
  test(`with ${kind}: the tour ends by itself with one line of JSON, all opened, two forgeries refused`, {
    skip,
  }, async () => {
    const { code, stdout, stderr } = await runSealwire(['tour', '--for', '1s', '--json', ...flags]);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    assert.equal(stdout.split('\n').length, 2);
    const outcome = JSON.parse(stdout);
    assert.deepEqual(Object.keys(outcome), ['sealed', 'opened', 'logged', 'blocks', 'refused', 'ledger']);
    // Seven readings and a command over the broker, three readings over the socket.
    assert.ok(outcome.sealed >= 11, stdout);
    assert.equal(outcome.opened, outcome.sealed);
    assert.equal(outcome.refused, 2);
    assert.equal(outcome.ledger, 'valid');
    assert.ok(outcome.logged > outcome.sealed);
    assert.ok(outcome.blocks <= outcome.logged);
  });

  test(`with ${kind}: the tour tells in words what it shows`, { skip }, async () => {
    const { code, stdout, stderr } = await runSealwire(['tour', '--for', '1s', ...flags]);
    assert.equal(code, 0, stderr);
    for (const words of [
      /Three identities/,
      /sensor {6}SHA256:/,
      new RegExp(`Between them stands an MQTT broker: ${kind}, at mqtt://127\\.0\\.0\\.1:\\d+\n`),
      /operator: {3}cpu [\d.]+ %, memory [\d.]+ %, load [\d.]+/,
      /handshakes {2}\d+, of \d+ bytes together, in inboxes such as sealwire\/1\/\S{6}…\/handshake\/\S{6}…/,
      /messages {4}2, of \d+ bytes together, on plant\/line1\/load/,
      /HMAC {8}[0-9a-f]{64}\n/,
      /reading {5}nowhere in these \d+ bytes/,
      /The notary heard it too: its label is entry \d+ of the ledger/,
      /sensor: {5}will report every \d+ ms/,
      /Handshake: EDHOC \(RFC 9528\), 4 messages of/,
      /✘ Refused a frame .*\[body-mismatch\]/,
      /operator missed frame \d+; it was sent again\./,
      /✘ Refused the ledger: block \d+, entry \d+: /,
      /The broker has carried \d+ publications, and read none\./,
      /✔ The ledger is valid: \d+ entries in \d+ blocks, \d+ signatures/,
    ]) {
      assert.match(stdout, words);
    }
  });
}

test('Ctrl-C ends the tour in order', async () => {
  await using tour = new RunningCommand(['tour']);
  await tour.line();
  assert.match(await tour.line(), /Three identities/);
  assert.equal(await tour.interrupt(), 0, tour.stderr);
});

test('whoever presses Ctrl-C twice finds nothing left behind either', async (t) => {
  const own = await temporaryDirectory(t);
  await using tour = new RunningCommand(['tour', '--embedded'], { TMPDIR: own });
  let line = await tour.line();
  while (!line.includes('keeps a ledger in')) line = await tour.line();
  assert.ok(existsSync(line.slice(line.indexOf(own)).trim()), line);
  // Two of a kind might arrive as one.
  tour.signal('SIGINT');
  tour.signal('SIGTERM');
  const code = await tour.ended();
  assert.ok(code === 130 || code === 143, `${code}: ${tour.stderr}`);
  assert.deepEqual(readdirSync(own), []);
});
