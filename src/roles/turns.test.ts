import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turn } from '../../test/support/turns.ts';
import { Turns } from './turns.ts';

test('actions run one after the other, in order, whatever becomes of those before', async () => {
  const turns = new Turns();
  const log: string[] = [];
  const act = (name: string, fails = false) =>
    turns.run(async () => {
      log.push(`${name} begins`);
      await turn();
      log.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    });
  const results = await Promise.allSettled([act('a'), act('b', true), act('c')]);
  assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );

  const last = act('d');
  assert.equal(turns.idle, false);
  await last;
  await turn();
  assert.equal(turns.idle, true);
});
