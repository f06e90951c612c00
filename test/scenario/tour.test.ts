import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSealwire } from '../support/child.ts';
import { RunningCommand } from '../support/running.ts';

test('the tour ends by itself with one line of JSON: all opened, two forgeries refused, the ledger valid', async () => {
  const { code, stdout, stderr } = await runSealwire(['tour', '--for', '1s', '--json']);
  assert.equal(code, 0, stderr);
  assert.equal(stdout.split('\n').length, 2);
  const outcome = JSON.parse(stdout);
  assert.deepEqual(Object.keys(outcome), ['sealed', 'opened', 'logged', 'blocks', 'refused', 'ledger']);
  assert.ok(outcome.sealed >= 7, stdout);
  assert.equal(outcome.opened, outcome.sealed);
  assert.equal(outcome.refused, 2);
  assert.equal(outcome.ledger, 'valid');
  assert.ok(outcome.logged > outcome.sealed);
  assert.ok(outcome.blocks <= outcome.logged);
});

test('the tour tells in words what it shows', async () => {
  const { code, stdout, stderr } = await runSealwire(['tour', '--for', '1s']);
  assert.equal(code, 0, stderr);
  for (const words of [
    /Three identities/,
    /sensor {4}SHA256:/,
    /Handshake: EDHOC \(RFC 9528\), 4 messages of/,
    /operator: cpu [\d.]+ %, memory [\d.]+ %, load [\d.]+/,
    /reading {3}nowhere in these bytes/,
    /✘ Refused a frame .*\[body-mismatch\]/,
    /✘ Refused the ledger: block \d+, entry \d+: /,
    /✔ The ledger is valid: \d+ entries in \d+ blocks, \d+ signatures/,
  ]) {
    assert.match(stdout, words);
  }
});

test('Ctrl-C ends the tour in order', async () => {
  await using tour = new RunningCommand(['tour']);
  await tour.line();
  assert.match(await tour.line(), /Three identities/);
  assert.equal(await tour.interrupt(), 0, tour.stderr);
});
