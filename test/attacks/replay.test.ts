import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelIn } from '../../src/apps/middle.ts';
import { KIND } from '../../src/core/kinds.ts';
import { readLabels } from '../support/ledger-entries.ts';
import { hear, hearAll, numbered, say, sayAll } from '../support/messages.ts';
import { Recording } from '../support/recorded.ts';
import { converse } from '../support/stage.ts';

test('N3: what the middle replays in the same session is refused, delivered once and logged once', async () => {
  const twice = new Recording((unit) => (labelIn(unit) ? [unit, unit] : [unit]));
  await using talk = await converse({ notary: true, tuning: { batchMax: 1 }, meddle: twice.meddle });
  const { near, far, sensor, operator, middle, stage } = talk;
  await sayAll(near, numbered(5));
  assert.deepEqual(await hear(far, 5), numbered(5));
  await operator.events.atLeast(5, 'refused');
  assert.deepEqual(new Set(operator.events.codes()), new Set(['replayed']));

  // Long after, and in another order.
  const recorded = twice.frames('out', KIND.message);
  assert.equal(recorded.length, 5);
  for (const frame of recorded.toReversed()) await middle.inject(frame, 'out', 0);
  await say(near, 'honest', 'delivered');
  assert.deepEqual(await hear(far, 1), ['honest']);
  await operator.events.atLeast(11, 'refused');
  assert.deepEqual(new Set(operator.events.codes()), new Set(['replayed']));

  await Promise.all([near.close(), far.close()]);
  assert.deepEqual(await hearAll(far), []);
  await sensor.peer.close();
  await operator.peer.close();
  const labels = (await readLabels(stage.ledgerFile)).by(sensor.member.identity.id);
  assert.deepEqual(
    labels.filter(({ kind }) => kind === KIND.message).map(({ seq }) => seq),
    [0, 1, 2, 3, 4, 5],
  );
});
