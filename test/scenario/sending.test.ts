import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8ToBytes } from '../../src/core/bytes.ts';
import { isSealwireError } from '../../src/core/errors.ts';
import type { SendOptions } from '../../src/roles/session.ts';
import { hearAll, numbered, say } from '../support/messages.ts';
import { converse } from '../support/stage.ts';

test('what was sent before a close goes out before the end, whether anybody waited for it or not', async () => {
  const texts = numbered(500);
  // A queue that is too small for all of them, and so for the last ones has no room yet when the session closes.
  await using talk = await converse({ tuning: { sendQueueMessagesMax: 20, batchMax: 7 } });
  const { near, far, operator } = talk;
  const heard = hearAll(far);
  const sent = texts.map((text) => say(near, text, 'delivered'));
  const closed = near.close();
  await assert.rejects(say(near, 'too late'), (error) => isSealwireError(error, 'session-closed'));
  assert.deepEqual(
    (await Promise.all(sent)).map(({ n }) => n),
    texts.map((_, n) => n),
  );
  await closed;
  assert.deepEqual(await heard, texts);
  assert.deepEqual(operator.events.codes(), []);
});

test('what the far end would refuse is refused here and takes no place in the stream', async () => {
  await using talk = await converse();
  const { near, far, operator } = talk;
  const payload = utf8ToBytes('x');
  const wrong = [
    ...[-1, 1.5, Number.NaN, 2 ** 60].map((contentType) => ({ contentType })),
    ...[Number.NaN, Number.POSITIVE_INFINITY, -2000].map((expiresAtMs) => ({ expiresAtMs })),
    { until: 'read' },
  ];
  for (const options of wrong) {
    await assert.rejects(near.send(payload, options as SendOptions), (error) => isSealwireError(error, 'usage'));
  }
  // In UTF-8 it is three times as long as it looks.
  await assert.rejects(near.send(payload, { contentType: '€'.repeat(43_100) }), (error) =>
    isSealwireError(error, 'too-large'),
  );
  await assert.rejects(near.send('text' as never), (error) => isSealwireError(error, 'usage'));
  // There is no notary here: nothing was sent that could be logged later.
  await assert.rejects(near.send(payload, { until: 'logged' }), (error) => isSealwireError(error, 'not-logged'));
  assert.equal((await say(near, 'right')).n, 0);
  await near.close();
  assert.deepEqual(await hearAll(far), ['right']);
  assert.deepEqual(operator.events.codes(), []);
});

test('a payload is the caller’s again as soon as send returns', async () => {
  await using talk = await converse({ tuning: { sendQueueMessagesMax: 1 } });
  const { near, far } = talk;
  const buffer = new Uint8Array(1);
  const sent = [1, 2, 3].map((byte) => {
    buffer.fill(byte);
    return near.send(buffer);
  });
  buffer.fill(0);
  await Promise.all(sent);
  await near.close();
  const heard: number[] = [];
  for await (const { payload } of far) heard.push(payload[0] ?? -1);
  assert.deepEqual(heard, [1, 2, 3]);
});
