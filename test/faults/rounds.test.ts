import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noMosquitto } from '../support/brokers.ts';
import { runRounds } from './rounds.ts';

/** Worlds of their own, side by side: most of a round is waiting. */
const SEEDS = [1, 2, 3];
const ROUNDS = 17;

test('N17: sender, reader, broker and notary are killed at any moment: nothing acknowledged is lost or comes twice', {
  skip: noMosquitto,
  timeout: 300_000,
}, async (t) => {
  const outcomes = await Promise.all(SEEDS.map((seed) => runRounds(t, { rounds: ROUNDS, seed })));
  for (const { acknowledged, delivered, ...rest } of outcomes) {
    assert.deepEqual(rest, { rounds: ROUNDS, lost: 0, duplicated: 0, keysReused: 0, ledger: 'ok' });
    assert.ok(acknowledged > ROUNDS);
    assert.equal(delivered, acknowledged);
  }
});
