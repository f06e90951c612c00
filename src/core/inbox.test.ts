import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { inboxFilter, inboxTopic, parseInboxTopic } from './inbox.ts';
import { topicMatches } from './topic.ts';

const to = new Uint8Array(32).fill(1);
const from = new Uint8Array(32).fill(0xfe);

suite('inbox topics', () => {
  test('say for whom, what and from whom, and are read back', () => {
    for (const lane of ['handshake', 'frames'] as const) {
      assert.deepEqual(parseInboxTopic(inboxTopic({ to, lane, from })), { to, lane, from });
    }
  });

  test('match the filter of their reader only', () => {
    const topic = inboxTopic({ to, lane: 'frames', from });
    assert.ok(topicMatches(inboxFilter(to), topic));
    assert.ok(!topicMatches(inboxFilter(from), topic));
  });

  test('are nothing else', () => {
    const topic = inboxTopic({ to, lane: 'frames', from });
    // The last character holds two bits that 32 bytes leave zero.
    const notCanonical = `${topic.slice(0, -1)}_`;
    for (const other of [
      '',
      'plant/x',
      topic.slice(0, -1),
      `${topic}/x`,
      topic.replace('frames', 'other'),
      notCanonical,
    ]) {
      assert.equal(parseInboxTopic(other), null, other);
    }
  });
});
