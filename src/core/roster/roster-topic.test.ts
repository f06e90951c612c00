import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSealwireError } from '../errors.ts';
import { topicMatches } from '../topic.ts';
import { barrierTopic, parseRosterTopic, rosterFilter, rosterTopic } from './roster-topic.ts';

test('each version has a topic of its own, and one filter finds them all', () => {
  for (const [name, version] of [
    ['works', 1],
    ['Werk_2.b-c', 4096],
    ['部', 9_999_999_999],
  ] as const) {
    const topic = rosterTopic(name, version);
    assert.deepEqual(parseRosterTopic(topic), { name, version });
    assert.equal(topicMatches(rosterFilter(name), topic), true);
    assert.equal(topicMatches(rosterFilter('other'), topic), false);
  }
  assert.equal(rosterTopic('works', 12), 'sealwire/1/roster/works/12');
});

for (const topic of [
  ...['sealwire/1/roster/works', 'sealwire/1/roster/works/', 'sealwire/1/roster/works/0', 'sealwire/1/roster/works/01'],
  ...[
    'sealwire/1/roster/works/-1',
    'sealwire/1/roster/works/1e3',
    'sealwire/1/roster/works/1/2',
    'sealwire/1/roster//1',
  ],
  ...['sealwire/2/roster/works/1', 'a/sealwire/1/roster/works/1', 'sealwire/1/roster/works/12345678901', ''],
]) {
  test(`no version’s topic: ${JSON.stringify(topic)}`, () => assert.equal(parseRosterTopic(topic), null));
}

test('the mark in the broker’s answers brings no version', () => {
  assert.equal(parseRosterTopic(barrierTopic('works')), null);
  assert.equal(topicMatches(barrierTopic('works'), rosterTopic('works', 1)), false);
  assert.equal(topicMatches(rosterFilter('works'), barrierTopic('works')), false);
});

test('a name that is none makes no topic and no filter', () => {
  for (const name of ['', '+', '#', 'a/b', 'a b']) {
    for (const make of [rosterFilter, barrierTopic, (given: string) => rosterTopic(given, 1)]) {
      assert.throws(
        () => make(name),
        (error) => isSealwireError(error, 'roster-invalid'),
      );
    }
  }
});
