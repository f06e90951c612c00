import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isSealwireError } from './errors.ts';
import { checkFilter, checkPublishTopic, checkTopic, topicMatches } from './topic.ts';

suite('topics', () => {
  for (const topic of ['plant/line1/temperature', '/', 'a//b', 'grüße/日本', 'sealwired/x', 'x'.repeat(256)]) {
    test(`${topic.slice(0, 30)} is one`, () => assert.equal(checkTopic(topic), topic));
  }
  for (const topic of [
    '',
    'a/+',
    '#',
    '$SYS/x',
    'sealwire',
    'sealwire/1/x',
    'a\u0000',
    'a\nb',
    '\ud800',
    'é'.repeat(129),
  ]) {
    test(`${JSON.stringify(topic.slice(0, 30))} is none`, () => {
      assert.throws(
        () => checkTopic(topic),
        (error) => isSealwireError(error, 'topic-invalid'),
      );
    });
  }
});

suite('topics on the bus', () => {
  for (const topic of ['plant/line1/temperature', 'sealwire/1/x']) {
    test(`${topic} is one`, () => assert.equal(checkPublishTopic(topic), topic));
  }
  for (const topic of ['', 'a/+', '$SYS/x', 'a\u0000']) {
    test(`${JSON.stringify(topic)} is none`, () => {
      assert.throws(
        () => checkPublishTopic(topic),
        (error) => isSealwireError(error, 'topic-invalid'),
      );
    });
  }
});

suite('filters', () => {
  for (const filter of ['#', '+', 'a/+/b', 'a/#', '/+', '+/+', 'a', '$SYS/#', 'sealwire/1/+/frames/+']) {
    test(`${filter} is one`, () => assert.equal(checkFilter(filter), filter));
  }
  for (const filter of ['', 'a#', '#/a', 'a/b+', 'a/#/b', '\u0000']) {
    test(`${JSON.stringify(filter)} is none`, () => {
      assert.throws(
        () => checkFilter(filter),
        (error) => isSealwireError(error, 'topic-invalid'),
      );
    });
  }

  // The examples of MQTT 5.0, section 4.7, and what lies beside them.
  const cases: readonly (readonly [filter: string, topic: string, matches: boolean])[] = [
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/tennis/player1/#', 'sport/tennis/player2', false],
    ['sport/#', 'sport', true],
    ['#', 'a/b/c', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '$SYS/uptime', false],
    ['+/monitor/Clients', '$SYS/monitor/Clients', false],
    ['$SYS/#', '$SYS/uptime', true],
    ['a/b', 'a/b', true],
    ['a/b', 'a/B', false],
    ['a/b', 'a/b/', false],
  ];
  for (const [filter, topic, matches] of cases) {
    test(`${filter} ${matches ? 'matches' : 'does not match'} ${topic}`, () => {
      assert.equal(topicMatches(filter, topic), matches);
    });
  }
});
